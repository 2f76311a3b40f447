import {
  ByteReader,
  type ByteStream,
  isZeroOid,
  type ObjectFormat,
  type Oid,
  PackhorseError,
  toPackhorseError,
} from '#base';
import type {
  CommandResult,
  CommitNode,
  CommitOptions,
  Quarantine,
  ReceiveOptions,
  RefCommand,
  RefSnapshot,
} from '#wire';
import { type FindCommit, isAncestor } from '../commit-graph/relation.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { ObjectKind } from '../reader.ts';
import { parseCommit } from '../objects/commit-object.ts';
import type { RawObject } from '../objects/raw.ts';
import { lines } from '../process/lines.ts';
import type { OtherCopies } from '../replication/replication.ts';
import type { Storage } from '../storage.ts';
import { diskError, forEachBounded, unlessMissing, writeNewFile } from '../volume/disk.ts';
import { IncomingDirectory } from './incoming-directory.ts';
import { storeSmallPack } from './incoming-files.ts';
import { IncomingPack } from './incoming-pack.ts';
import { indexPack, type PackChecks } from './index-pack.ts';
import { refuseLargeObjects, refuseTooLarge } from './object-sizes.ts';
import { isEmptyPack, readPackHeader } from './pack-header.ts';
import { PackWalk } from './pack-walk.ts';
import type { SmallPack } from './small-pack.ts';
import { takeSmallPack } from './small-push.ts';

/** What a quarantine needs of its repository. */
export interface QuarantineHost {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly objects: ObjectReader;
  /** For walks through what the repository has. */
  readonly commits: () => Promise<FindCommit>;
  /** Every object of the repository has everything that it names: existing means connected. */
  readonly closed: boolean;
  readonly checks: PackChecks;
  /** Whether packs may be taken in without git: its files then have the usual owner and rights. */
  readonly takesSmallPacks: boolean;
  /** A push of fewer objects is stored as loose objects; 0 for never. */
  readonly unpackLimit: number;
  /** Other copies of the repository, which get the same pack. */
  readonly copies?: OtherCopies | undefined;
  refs(): Promise<RefSnapshot>;
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

/** Where the header of a pack says how many objects it has. */
const objectCountAt = 8;
/** The indexer follows links of so many objects at most: it then holds all of them in memory at once, on top of its index. */
const maxLinkedObjects = 200_000;
/** A walk through all objects maps no more of the packs than it needs, and keeps few bases of deltas. */
const thriftyWalk = {
  'core.packedGitWindowSize': '1m',
  'core.packedGitLimit': '24m',
  'core.deltaBaseCacheLimit': '8m',
};

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
  /** A pack that is in memory, and in `#incoming` as well once that is there. */
  #small: SmallPack | undefined;
  readonly #resources = new DisposableStack();
  #received = false;
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
    if (this.#received) throw new PackhorseError('internal', 'A push has only one pack.');
    this.#received = true;
    const { objectFormat } = this.#host;
    const reader = new ByteReader(this.#host.copies?.tee(pack) ?? pack);
    const header = await readPackHeader(reader, this.#storage.settings.maxPackObjects);
    if (await isEmptyPack(header, reader, objectFormat)) return;
    const checks = this.#checks(options, header.readUInt32BE(objectCountAt));
    const stream = joined(header, reader);
    this.#clientShallows = options.clientShallows;
    const isUnusual = checks.kind === 'pack' || options.clientShallows.length > 0;
    const rest = isUnusual ? stream : await this.#takeSmall(stream, options);
    if (rest !== undefined) await this.#index(rest, checks, options);
  }

  /** Takes a small pack in without starting git, or hands the stream back from its beginning. */
  async #takeSmall(stream: ByteStream, options: ReceiveOptions): Promise<ByteStream | undefined> {
    const { objectFormat, objects, closed, checks, takesSmallPacks } = this.#host;
    if (!takesSmallPacks) return stream;
    const taken = await takeSmallPack(stream, {
      objectFormat,
      objects,
      settings: this.#storage.settings,
      maxPackBytes: options.maxPackBytes,
      memory: this.#resources.use(this.#storage.smallPacks.lease()),
      signal: this.#signal,
      fsck: checks.kind === 'fsck',
      trustsContents: closed,
    });
    if ('stream' in taken) return taken.stream;
    const maxObjectBytes = this.#storage.settings.maxPushedObjectBytes;
    for (const { bytes } of taken.small.objects.values()) refuseTooLarge(bytes.length, maxObjectBytes);
    this.#small = taken.small;
    return undefined;
  }

  async #index(pack: ByteStream, checks: PackChecks, options: ReceiveOptions): Promise<void> {
    this.#resources.use(await this.#storage.indexers.acquire(this.#signal));
    const incoming = await this.#directory();
    const indexed = await indexPack(this.#storage, {
      gitDir: this.#host.gitDir,
      environment: { ...incoming.environment, ...(await this.#shallowEnvironment(options.clientShallows)) },
      pack,
      checks,
      maxPackBytes: options.maxPackBytes,
      onProgress: options.onProgress,
      onMessage: options.onMessage,
      signal: this.#signal,
    });
    this.#selfContained = indexed.selfContained;
    this.#pack = await IncomingPack.open(await incoming.packBase(), this.#host.objectFormat);
    await refuseLargeObjects(this.#storage, {
      gitDir: this.#host.gitDir,
      environment: incoming.environment,
      pack: this.#pack,
      signal: this.#signal,
    });
  }

  /** The directory of this push, with everything in it that was received. */
  async #directory(): Promise<IncomingDirectory> {
    if (this.#incoming !== undefined) return this.#incoming;
    const { disk, random } = this.#storage;
    const { gitDir, unpackLimit } = this.#host;
    try {
      this.#incoming = await IncomingDirectory.create(disk, random, `${gitDir}/objects`);
      const small = this.#small;
      if (small !== undefined && small.objects.size < unpackLimit)
        await this.#incoming.addLoose(small.objects);
      else if (small !== undefined) await this.#incoming.addPack(small);
      return this.#incoming;
    } catch (error) {
      throw diskError(error);
    }
  }

  /** What a git process needs to see the objects of this push: nothing while there are none. */
  async #gitEnvironment(): Promise<Readonly<Record<string, string>>> {
    if (this.#migrated || (this.#incoming === undefined && this.#small === undefined)) return {};
    return (await this.#directory()).environment;
  }

  /**
   * A shallow client's pack may lack parents on purpose; which refs that touches is found out by
   * walking, and so is, for the sake of memory, whether a huge pack is complete.
   */
  #checks(options: ReceiveOptions, objects: number): PackChecks {
    const { checks } = this.#host;
    const walks = options.clientShallows.length > 0 || objects > maxLinkedObjects;
    return checks.kind === 'links' && walks ? { kind: 'pack' } : checks;
  }

  async disconnected(tips: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    const asked = [...new Set(tips)].filter((oid) => !isZeroOid(oid));
    const found = await this.#find(asked);
    const missing = new Set(asked.filter((oid) => !found.has(oid)));
    // What is inside a self-contained pack needs no walk, which a first push would be long in.
    const closed = this.#host.closed && this.#clientShallows.length === 0;
    const isSure = ({ arrived }: Found): boolean => closed || (arrived && this.#selfContained);
    const unsure = [...found].filter(([, each]) => !isSure(each)).map(([oid]) => oid);
    if (unsure.length === 0 || (await this.#isPlainlyConnected(unsure))) return missing;
    if (await this.#isConnected(unsure)) return missing;
    for (const [index, oid] of unsure.entries()) {
      if (index >= maxTipsExamined || !(await this.#isConnected([oid]))) missing.add(oid);
    }
    return missing;
  }

  /** What there is of `oids`, in the pushed pack or in the repository. */
  async #find(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, Found>> {
    const found = new Map<Oid, Found>();
    await forEachBounded(new Set(oids), lookupConcurrency, async (oid) => {
      const arrived = this.#small?.objects.get(oid)?.kind ?? (await this.#pack?.kindOf(oid));
      const kind = arrived ?? (await this.#host.objects.header(oid))?.kind;
      if (kind !== undefined) found.set(oid, { kind, arrived: arrived !== undefined });
    });
    return found;
  }

  /** True when that is certain without starting git: from the tips it is not far to what refs name. */
  async #isPlainlyConnected(tips: readonly Oid[]): Promise<boolean> {
    if (this.#pack !== undefined || this.#clientShallows.length > 0) return false;
    const { objectFormat, objects } = this.#host;
    const snapshot = await this.#host.refs();
    const walk = new PackWalk(this.#small?.objects ?? new Map(), {
      objectFormat,
      objects,
      trustsExisting: false,
      wellFormed: false,
      trustsContents: false,
      isTip: (oid) => snapshot.namesObject(oid),
    });
    return await walk.reaches(tips);
  }

  /** As git's own receive-pack checks it: walks from `tips` to what refs reach and stumbles over anything missing. */
  async #isConnected(tips: readonly Oid[], environment: Record<string, string> = {}): Promise<boolean> {
    const borrowed = await this.#host.objects.existing(await this.#host.alternateTips());
    const result = await this.#storage.git.run({
      gitDir: this.#host.gitDir,
      args: ['rev-list', '--objects', '--stdin', '--not', '--all', '--quiet'],
      config: thriftyWalk,
      environment: { ...(await this.#gitEnvironment()), ...environment },
      input: lines([...tips, ...Array.from(borrowed, (oid) => `^${oid}`)]),
      okCodes: [0, 1, 128],
      maxMemoryBytes: this.#storage.settings.maxIndexerMemoryBytes,
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
      environment: { ...(await this.#gitEnvironment()), ...environment },
      signal: this.#signal,
    });
    return stdout
      .toString()
      .split('\n')
      .filter((oid) => candidates.has(oid));
  }

  async environment(): Promise<Readonly<Record<string, string>>> {
    if (this.#migrated || (this.#incoming === undefined && this.#small === undefined)) return {};
    const { environment, path } = await this.#directory();
    const shallow = await this.#shallowEnvironment(this.#clientShallows);
    return { ...environment, ...shallow, GIT_QUARANTINE_PATH: path };
  }

  async migrate(): Promise<void> {
    if (this.#migrated) return;
    if (this.#signal.aborted) throw toPackhorseError(this.#signal.reason);
    try {
      if (this.#small !== undefined) await this.#storeSmall(this.#small);
      await this.#incoming?.migrate();
      this.#migrated = true;
    } catch (error) {
      const failure = diskError(error);
      this.#storage.log.error('The objects of a push could not be moved in.', { error: failure });
      throw failure;
    }
  }

  /** Straight into the repository, where no git process has to see the objects before. */
  async #storeSmall(small: SmallPack): Promise<void> {
    const { disk, random } = this.#storage;
    const { gitDir, unpackLimit } = this.#host;
    const isLoose = small.objects.size < unpackLimit;
    if (isLoose || this.#incoming !== undefined) await this.#directory();
    else await storeSmallPack(disk, random, `${gitDir}/objects`, small);
  }

  async kindsOf(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, ObjectKind>> {
    return new Map(Array.from(await this.#find(oids), ([oid, { kind }]) => [oid, kind]));
  }

  async isAncestor(ancestor: Oid, descendant: Oid): Promise<boolean> {
    const inRepository = await this.#host.commits();
    const find: FindCommit = (oid) => {
      const arrived = this.#small?.objects.get(oid);
      if (arrived !== undefined) return pushedCommit(oid, arrived);
      return this.#pack === undefined ? inRepository(oid) : this.#commit(this.#pack, oid, inRepository);
    };
    const { maxReachabilityCommits: maxCommits, maxCommitReads: maxReads } = this.#storage.settings;
    const limits = { maxCommits, maxReads, signal: this.#signal };
    const answer = await isAncestor(find, ancestor, descendant, limits);
    if (answer !== undefined) return answer;
    const result = await this.#storage.git.run({
      gitDir: this.#host.gitDir,
      args: ['merge-base', '--is-ancestor', ancestor, descendant],
      environment: await this.#gitEnvironment(),
      okCodes: [0, 1, 128],
      signal: this.#signal,
    });
    return result.code === 0;
  }

  async #commit(pack: IncomingPack, oid: Oid, inRepository: FindCommit): Promise<CommitNode | undefined> {
    const arrived = await pack.read(oid, this.#storage.settings.maxObjectBytes);
    return arrived === undefined ? await inRepository(oid) : pushedCommit(oid, arrived);
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
      await this.#host.copies?.[Symbol.asyncDispose]();
    } catch (error) {
      // The note stays too, so that the next start finds it.
      this.#storage.log.warn('A quarantine could not be removed.', { error, path: this.#incoming?.path });
    }
    this.#resources.dispose();
  }
}

async function* joined(head: Uint8Array, rest: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  yield head;
  yield* rest.rest();
}

function pushedCommit(oid: Oid, { kind, bytes }: RawObject): CommitNode | undefined {
  if (kind !== 'commit') return undefined;
  const { parents, committer } = parseCommit(oid, bytes);
  return { oid, parents, committerTimeSeconds: Math.floor(committer.timestampMs / 1000) };
}
