import {
  ByteReader,
  type ByteStream,
  isZeroOid,
  type ObjectFormat,
  type Oid,
  PackhorseError,
  toPackhorseError,
} from '#base';
import type { CommandResult, CommitOptions, Quarantine, ReceiveOptions, RefCommand } from '#wire';
import type { ObjectReader } from '../object-reader.ts';
import type { ObjectKind } from '../reader.ts';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';
import { diskError, forEachBounded, unlessMissing, writeNewFile } from '../volume/disk.ts';
import { IncomingDirectory } from './incoming-directory.ts';
import { IncomingPack } from './incoming-pack.ts';
import { indexPack, type PackChecks } from './index-pack.ts';
import { isEmptyPack, readPackHeader } from './pack-header.ts';

/** What a quarantine needs of its repository. */
export interface QuarantineHost {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly objects: ObjectReader;
  /** Every object of the repository has everything that it names: existing means connected. */
  readonly closed: boolean;
  readonly checks: PackChecks;
  alternateTips(): Promise<readonly Oid[]>;
  /** The repository's own shallow commits. */
  shallows(): Promise<ReadonlySet<Oid>>;
  /** Makes the repository shallow at these commits too. */
  addShallows(oids: readonly Oid[]): Promise<void>;
  /** The results when it is clear already that nothing can be updated. */
  refusal(
    commands: readonly RefCommand[],
    options: CommitOptions,
  ): Promise<readonly CommandResult[] | undefined>;
  transact(commands: readonly RefCommand[], options: CommitOptions): Promise<readonly CommandResult[]>;
}

/** When some of many tips are not connected, so many are looked at one by one; the rest is refused with them. */
const maxTipsExamined = 64;

const lookupConcurrency = 8;

interface Found {
  readonly kind: ObjectKind;
  /** It is in the pushed pack. */
  readonly arrived: boolean;
}

/** One push: its objects in a directory of their own until its refs are updated. */
export class PushQuarantine implements Quarantine {
  readonly #storage: Storage;
  readonly #host: QuarantineHost;
  readonly #busy: AsyncDisposable;
  readonly #signal: AbortSignal;
  #incoming: IncomingDirectory | undefined;
  #pack: IncomingPack | undefined;
  #lease: Disposable | undefined;
  #selfContained = false;
  #clientShallows: readonly Oid[] = [];
  #migrated = false;

  constructor(storage: Storage, host: QuarantineHost, busy: AsyncDisposable, signal: AbortSignal) {
    this.#storage = storage;
    this.#host = host;
    this.#busy = busy;
    this.#signal = signal;
  }

  async receive(pack: ByteStream, options: ReceiveOptions): Promise<void> {
    if (this.#lease !== undefined) throw new PackhorseError('internal', 'A push has only one pack.');
    const { disk, random, indexers } = this.#storage;
    const { gitDir, objectFormat } = this.#host;
    this.#lease = await indexers.acquire(this.#signal);
    const reader = new ByteReader(pack);
    const header = await readPackHeader(reader);
    if (await isEmptyPack(header, reader, objectFormat)) return;
    try {
      this.#incoming = await IncomingDirectory.create(disk, random, `${gitDir}/objects`);
    } catch (error) {
      throw diskError(error);
    }
    this.#clientShallows = options.clientShallows;
    const indexed = await indexPack(this.#storage, {
      gitDir,
      environment: {
        ...this.#incoming.environment,
        ...(await this.#shallowEnvironment(options.clientShallows)),
      },
      pack: joined(header, reader),
      checks: this.#checks(options),
      maxPackBytes: options.maxPackBytes,
      onProgress: options.onProgress,
      signal: this.#signal,
    });
    this.#selfContained = indexed.selfContained;
    this.#pack = await IncomingPack.open(await this.#incoming.packBase(), objectFormat);
  }

  /** A shallow client's pack may lack parents on purpose; which refs that touches is found out by walking. */
  #checks(options: ReceiveOptions): PackChecks {
    const { checks } = this.#host;
    return checks.kind === 'links' && options.clientShallows.length > 0 ? { kind: 'pack' } : checks;
  }

  async disconnected(tips: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    const asked = [...new Set(tips)].filter((oid) => !isZeroOid(oid));
    const found = await this.#find(asked);
    const missing = new Set(asked.filter((oid) => !found.has(oid)));
    // What is inside a self-contained pack needs no walk, which a first push would be long in.
    const closed = this.#host.closed && this.#clientShallows.length === 0;
    const isSure = ({ arrived }: Found): boolean => closed || (arrived && this.#selfContained);
    const unsure = [...found].filter(([, each]) => !isSure(each)).map(([oid]) => oid);
    if (unsure.length === 0 || (await this.#isConnected(unsure))) return missing;
    for (const [index, oid] of unsure.entries()) {
      if (index >= maxTipsExamined || !(await this.#isConnected([oid]))) missing.add(oid);
    }
    return missing;
  }

  /** What there is of `oids`, in the pushed pack or in the repository. */
  async #find(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, Found>> {
    const found = new Map<Oid, Found>();
    await forEachBounded(new Set(oids), lookupConcurrency, async (oid) => {
      const arrived = await this.#pack?.kindOf(oid);
      const kind = arrived ?? (await this.#host.objects.header(oid))?.kind;
      if (kind !== undefined) found.set(oid, { kind, arrived: arrived !== undefined });
    });
    return found;
  }

  /** As git's own receive-pack checks it: walks from `tips` to what refs reach and stumbles over anything missing. */
  async #isConnected(tips: readonly Oid[], environment: Record<string, string> = {}): Promise<boolean> {
    const borrowed = await this.#host.objects.existing(await this.#host.alternateTips());
    const result = await this.#storage.git.run({
      gitDir: this.#host.gitDir,
      args: ['rev-list', '--objects', '--stdin', '--not', '--all', '--quiet'],
      environment: { ...this.#incoming?.environment, ...environment },
      input: lines([...tips, ...Array.from(borrowed, (oid) => `^${oid}`)]),
      okCodes: [0, 1, 128],
      signal: this.#signal,
    });
    return result.code === 0;
  }

  /** Has git take `shallows` for ends of history, besides the repository's own; nothing when there are none. */
  async #shallowEnvironment(shallows: readonly Oid[]): Promise<Record<string, string>> {
    if (shallows.length === 0 || this.#incoming === undefined) return {};
    const { disk } = this.#storage;
    const path = `${this.#incoming.path}/shallow`;
    await unlessMissing(disk.unlink(path));
    const all = new Set([...(await this.#host.shallows()), ...shallows]);
    await writeNewFile(disk, path, Buffer.from(Array.from(all, (oid) => `${oid}\n`).join('')));
    return { GIT_SHALLOW_FILE: path };
  }

  async shallowRoots(tip: Oid): Promise<readonly Oid[] | undefined> {
    const candidates = await this.#find(this.#clientShallows);
    const environment = await this.#shallowEnvironment([...candidates.keys()]);
    if (candidates.size === 0 || !(await this.#isConnected([tip], environment))) return undefined;
    const { stdout } = await this.#storage.git.run({
      gitDir: this.#host.gitDir,
      args: ['rev-list', '--max-parents=0', tip, '--not', '--all'],
      environment: { ...this.#incoming?.environment, ...environment },
      signal: this.#signal,
    });
    return stdout
      .toString()
      .split('\n')
      .filter((oid) => candidates.has(oid));
  }

  async environment(): Promise<Readonly<Record<string, string>>> {
    if (this.#incoming === undefined || this.#migrated) return {};
    const { environment, path } = this.#incoming;
    const shallow = await this.#shallowEnvironment(this.#clientShallows);
    return { ...environment, ...shallow, GIT_QUARANTINE_PATH: path };
  }

  async migrate(): Promise<void> {
    if (this.#migrated) return;
    if (this.#signal.aborted) throw toPackhorseError(this.#signal.reason);
    try {
      await this.#incoming?.migrate();
      this.#migrated = true;
    } catch (error) {
      const failure = diskError(error);
      this.#storage.log.error('The objects of a push could not be moved in.', { error: failure });
      throw failure;
    }
  }

  async kindsOf(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, ObjectKind>> {
    return new Map(Array.from(await this.#find(oids), ([oid, { kind }]) => [oid, kind]));
  }

  async isAncestor(ancestor: Oid, descendant: Oid): Promise<boolean> {
    const result = await this.#storage.git.run({
      gitDir: this.#host.gitDir,
      args: ['merge-base', '--is-ancestor', ancestor, descendant],
      environment: this.#incoming?.environment ?? {},
      okCodes: [0, 1, 128],
      signal: this.#signal,
    });
    return result.code === 0;
  }

  async commit(commands: readonly RefCommand[], options: CommitOptions): Promise<readonly CommandResult[]> {
    if (this.#signal.aborted) throw toPackhorseError(this.#signal.reason);
    // Objects that no ref is going to name are better not let in.
    const refusal = this.#migrated ? undefined : await this.#host.refusal(commands, options);
    if (refusal !== undefined) return refusal;
    try {
      await this.migrate();
      if (options.newShallows !== undefined) await this.#host.addShallows(options.newShallows);
    } catch (error) {
      const reason = diskError(error).message;
      return commands.map(({ name }) => ({ name, status: 'rejected', reason }));
    }
    return await this.#host.transact(commands, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#pack?.[Symbol.asyncDispose]();
      await this.#incoming?.remove();
      await this.#busy[Symbol.asyncDispose]();
    } catch (error) {
      // The note stays too, so that the next start finds it.
      this.#storage.log.warn('A quarantine could not be removed.', { error, path: this.#incoming?.path });
    }
    this.#lease?.[Symbol.dispose]();
  }
}

async function* joined(head: Uint8Array, rest: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  yield head;
  yield* rest.rest();
}
