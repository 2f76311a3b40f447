import { type ByteStream, type Oid, PackhorseError, isZeroOid } from '#base';
import type {
  CommandResult,
  CommitOptions,
  Quarantine,
  ReceiveOptions,
  RefCommand,
  RefSnapshot,
} from '#wire';
import type { ObjectReader } from '../object-reader.ts';
import type { ObjectKind } from '../reader.ts';
import type { Storage } from '../storage.ts';
import { diskError } from '../volume/disk.ts';
import { IncomingDirectory } from './incoming-directory.ts';
import { indexPack, type PackChecks } from './index-pack.ts';

/** What a quarantine needs of its repository. */
export interface QuarantineHost {
  readonly gitDir: string;
  readonly objects: ObjectReader;
  /** Every object of the repository has everything that it names: existing means connected. */
  readonly closed: boolean;
  readonly checks: PackChecks;
  refs(): Promise<RefSnapshot>;
  alternateTips(): Promise<readonly Oid[]>;
  transact(commands: readonly RefCommand[], options: CommitOptions): Promise<readonly CommandResult[]>;
}

/** One push: its objects in a directory of their own until its refs are updated. */
export class PushQuarantine implements Quarantine {
  readonly #storage: Storage;
  readonly #host: QuarantineHost;
  readonly #busy: AsyncDisposable;
  readonly #signal: AbortSignal;
  #incoming: IncomingDirectory | undefined;
  #lease: Disposable | undefined;
  #selfContained = false;
  #committed = false;

  constructor(storage: Storage, host: QuarantineHost, busy: AsyncDisposable, signal: AbortSignal) {
    this.#storage = storage;
    this.#host = host;
    this.#busy = busy;
    this.#signal = signal;
  }

  async receive(pack: ByteStream, options: ReceiveOptions): Promise<void> {
    if (this.#incoming !== undefined) throw new PackhorseError('internal', 'A push has only one pack.');
    const { disk, random } = this.#storage;
    this.#lease = await this.#storage.indexers.acquire(this.#signal);
    try {
      this.#incoming = await IncomingDirectory.create(disk, random, `${this.#host.gitDir}/objects`);
    } catch (error) {
      throw diskError(error);
    }
    const indexed = await indexPack(this.#storage, {
      gitDir: this.#host.gitDir,
      environment: this.#incoming.environment,
      pack,
      checks: this.#checks(options),
      maxPackBytes: options.maxPackBytes,
      onProgress: options.onProgress,
      signal: this.#signal,
    });
    this.#selfContained = indexed.selfContained;
  }

  /** A shallow client's pack may lack parents on purpose; which refs that touches is found out by walking. */
  #checks(options: ReceiveOptions): PackChecks {
    const { checks } = this.#host;
    return checks.kind === 'links' && options.clientShallows.length > 0 ? { kind: 'pack' } : checks;
  }

  async disconnected(tips: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    const asked = [...new Set(tips)].filter((oid) => !isZeroOid(oid));
    const kinds = await this.#kinds(asked);
    const missing = new Set(asked.filter((oid) => !kinds.has(oid)));
    if (this.#host.closed) return missing;
    // What is inside a self-contained pack needs no walk, which a first push would be long in.
    const inPack = this.#selfContained ? await this.#kinds(asked, this.#incoming?.ownEnvironment) : undefined;
    const tipsToWalk = asked.filter((oid) => !missing.has(oid) && inPack?.has(oid) !== true);
    if (tipsToWalk.length === 0) return missing;
    if (await this.#isConnected(tipsToWalk)) return missing;
    for (const oid of tipsToWalk) if (!(await this.#isConnected([oid]))) missing.add(oid);
    return missing;
  }

  /** As git's own receive-pack checks it: walks from `tips` to what refs reach and stumbles over anything missing. */
  async #isConnected(tips: readonly Oid[]): Promise<boolean> {
    const borrowed = await this.#host.alternateTips();
    const input = [...tips, ...borrowed.map((oid) => `^${oid}`), ''].join('\n');
    const result = await this.#storage.git.run({
      gitDir: this.#host.gitDir,
      args: ['rev-list', '--objects', '--stdin', '--not', '--all', '--quiet'],
      environment: this.#incoming?.environment ?? {},
      input: once(input),
      okCodes: [0, 1, 128],
      signal: this.#signal,
    });
    return result.code === 0;
  }

  kindsOf(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, ObjectKind>> {
    return this.#kinds([...new Set(oids)]);
  }

  async #kinds(
    oids: readonly Oid[],
    environment = this.#incoming?.environment,
  ): Promise<ReadonlyMap<Oid, ObjectKind>> {
    const kinds = new Map<Oid, ObjectKind>();
    if (oids.length === 0) return kinds;
    const result = await this.#storage.git.run({
      gitDir: this.#host.gitDir,
      args: ['cat-file', '--batch-check=%(objectname) %(objecttype)', '--buffer'],
      environment: environment ?? {},
      input: once(`${oids.join('\n')}\n`),
      signal: this.#signal,
    });
    for (const line of result.stdout.toString().split('\n')) {
      const [oid, kind] = line.split(' ');
      if (oid !== undefined && isObjectKind(kind)) kinds.set(oid, kind);
    }
    return kinds;
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
    if (this.#committed) throw new PackhorseError('internal', 'A push is committed only once.');
    this.#committed = true;
    this.#signal.throwIfAborted();
    try {
      await this.#incoming?.migrate();
    } catch (error) {
      const failure = diskError(error);
      this.#storage.log.error('The objects of a push could not be moved in.', { error: failure });
      return commands.map(({ name }) => ({ name, status: 'rejected', reason: failure.message }));
    }
    return await this.#host.transact(commands, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#incoming?.remove();
      await this.#busy[Symbol.asyncDispose]();
    } catch (error) {
      // The note stays too, so that the next start finds it.
      this.#storage.log.warn('A quarantine could not be removed.', { error, path: this.#incoming?.path });
    }
    this.#lease?.[Symbol.dispose]();
  }
}

function isObjectKind(text: string | undefined): text is ObjectKind {
  return text === 'commit' || text === 'tree' || text === 'blob' || text === 'tag';
}

async function* once(text: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(text);
}
