import { createHash } from 'node:crypto';
import { type ByteStream, isZeroOid, type Oid, PackhorseError } from '#base';
import type {
  CommandResult,
  CommitNode,
  CommitOptions,
  PackPart,
  PackRequest,
  Quarantine,
  ReceiveOptions,
  ReceivePackPolicy,
  ReceivePackRepository,
  Ref,
  RefCommand,
  RefSnapshot,
  SignatureCheck,
  UploadPackPolicy,
  UploadPackRepository,
  WorkTree,
} from '../repository.ts';

/** A made-up object id that is the same for the same name. */
export function oidOf(name: string): Oid {
  return createHash('sha1').update(name).digest('hex');
}

/** Refs as a snapshot; `head` defaults to a symbolic ref to `refs/heads/main`. */
export function snapshotOf(refs: readonly Ref[], head?: RefSnapshot['head']): RefSnapshot {
  const sorted = refs.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const byName = new Map(sorted.map((ref) => [ref.name, ref]));
  const main = byName.get('refs/heads/main')?.oid;
  const symref = 'refs/heads/main';
  const ownHead = head ?? (main === undefined ? { symref } : { symref, oid: main });
  const named = new Set([ownHead.oid, ...sorted.flatMap((ref) => [ref.oid, ref.peeled])]);
  return {
    generation: 1,
    head: ownHead,
    refs: sorted,
    get: (name) => byName.get(name),
    withPrefix: (prefix) => sorted.filter((ref) => ref.name.startsWith(prefix)),
    namesObject: (oid) => named.has(oid),
  };
}

/** A repository without content: a graph of commits by name, refs, and packs that are made up. */
export class MemoryRepository implements UploadPackRepository, ReceivePackRepository {
  readonly objectFormat = 'sha1' as const;
  uploadPolicy: UploadPackPolicy = {
    allowFilter: false,
    allowTipSha1InWant: false,
    allowReachableSha1InWant: false,
    allowAnySha1InWant: false,
    hiddenRefs: [],
  };
  receivePolicy: ReceivePackPolicy = {
    denyNonFastForwards: false,
    denyDeletes: false,
    denyDeleteCurrent: 'refuse',
    denyCurrentBranch: 'refuse',
    advertiseSessionId: false,
    shallowUpdate: false,
    procReceiveRefs: [],
    advertiseAtomic: true,
    advertisePushOptions: false,
    hiddenRefs: [],
    maxPackBytes: 1_000_000,
    maxCommands: 1_000,
  };
  readonly commits = new Map<Oid, CommitNode>();
  readonly others = new Set<Oid>();
  readonly ownShallows = new Set<Oid>();
  readonly packRequests: PackRequest[] = [];
  /** Work trees by the branch that they have checked out. */
  readonly checkedOut = new Map<string, WorkTree>();
  /** How many times a commit was looked up. */
  lookups = 0;
  snapshot: RefSnapshot = snapshotOf([]);
  alternates: readonly Oid[] = [];
  bundles: readonly (readonly [string, string])[] = [];
  packParts: readonly PackPart[] = [{ kind: 'data', bytes: Buffer.from('PACK made up') }];
  quarantine = new MemoryQuarantine(this);

  /** Adds commits: `{ b: ['a'] }` is `b` with parent `a`. Later ones are younger. */
  graph(commits: Readonly<Record<string, readonly string[]>>): this {
    for (const [name, parents] of Object.entries(commits)) {
      this.commits.set(oidOf(name), {
        oid: oidOf(name),
        parents: parents.map(oidOf),
        committerTimeSeconds: 1_000 + this.commits.size,
      });
    }
    return this;
  }

  /** Points refs at commits of the graph. */
  branches(heads: Readonly<Record<string, string>>): this {
    const refs = Object.entries(heads).map(([name, commit]) => ({ name, oid: oidOf(commit) }));
    this.snapshot = snapshotOf(refs);
    return this;
  }

  refs(): Promise<RefSnapshot> {
    return Promise.resolve(this.snapshot);
  }

  has(oid: Oid): boolean {
    return this.commits.has(oid) || this.others.has(oid);
  }

  existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    return Promise.resolve(new Set(oids.filter((oid) => this.has(oid))));
  }

  commitNode(oid: Oid): Promise<CommitNode | undefined> {
    this.lookups += 1;
    return Promise.resolve(this.commits.get(oid));
  }

  shallows(): Promise<ReadonlySet<Oid>> {
    return Promise.resolve(this.ownShallows);
  }

  shallowBoundary(): Promise<readonly Oid[]> {
    return Promise.reject(new PackhorseError('invalid_argument', 'no commits selected for shallow requests'));
  }

  /** Everything that `tips` lead to, themselves included. */
  history(tips: readonly Oid[]): ReadonlySet<Oid> {
    const seen = new Set(tips);
    for (const oid of seen) for (const parent of this.commits.get(oid)?.parents ?? []) seen.add(parent);
    return seen;
  }

  reachable(oids: readonly Oid[], tips: readonly Oid[]): Promise<boolean> {
    const reached = this.history(tips);
    return Promise.resolve(oids.every((oid) => reached.has(oid)));
  }

  objectSizes(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, number>> {
    return Promise.resolve(new Map(oids.filter((oid) => this.has(oid)).map((oid) => [oid, oid.length])));
  }

  bundleList(): Promise<readonly (readonly [string, string])[]> {
    return Promise.resolve(this.bundles);
  }

  pack(request: PackRequest, signal: AbortSignal): AsyncIterable<PackPart> {
    this.packRequests.push(request);
    return this.#parts(signal);
  }

  async *#parts(signal: AbortSignal): AsyncGenerator<PackPart> {
    for (const part of this.packParts) {
      signal.throwIfAborted();
      yield part;
    }
  }

  alternateTips(): Promise<readonly Oid[]> {
    return Promise.resolve(this.alternates);
  }

  workTrees(): Promise<ReadonlyMap<string, WorkTree>> {
    return Promise.resolve(this.checkedOut);
  }

  updateWorkTree(): Promise<string | undefined> {
    return Promise.resolve('there is no work tree');
  }

  storeCertificate(): Promise<Oid> {
    return Promise.reject(new PackhorseError('internal', 'Certificates are not kept here.'));
  }

  verifySignature(): Promise<SignatureCheck> {
    return Promise.resolve({ status: 'E', signer: '', key: '' });
  }

  openQuarantine(): Promise<Quarantine> {
    this.quarantine = this.quarantine.next();
    return Promise.resolve(this.quarantine);
  }
}

/** How the made-up quarantine behaves. */
export interface QuarantineBehaviour {
  /** Bytes after which the made-up pack is complete; absent: at the end of the input. */
  packBytes?: number;
  failure?: Error;
  commitFailure?: Error;
  missing: Set<Oid>;
  kinds: Map<Oid, 'commit' | 'tree' | 'blob' | 'tag'>;
  /** Called when the pack is in, before `receive` returns. */
  beforeReturn?: (options: ReceiveOptions) => Promise<void> | void;
}

export class MemoryQuarantine implements Quarantine {
  readonly behaviour: QuarantineBehaviour;
  readonly #repository: MemoryRepository;
  receivedBytes = 0;
  isDisposed = false;
  committed: readonly RefCommand[] | undefined;
  commitOptions: CommitOptions | undefined;

  constructor(
    repository: MemoryRepository,
    behaviour: QuarantineBehaviour = { missing: new Set(), kinds: new Map() },
  ) {
    this.#repository = repository;
    this.behaviour = behaviour;
  }

  /** A fresh one that behaves alike. */
  next(): MemoryQuarantine {
    return new MemoryQuarantine(this.#repository, this.behaviour);
  }

  async receive(pack: ByteStream, options: ReceiveOptions): Promise<void> {
    const { packBytes = Number.POSITIVE_INFINITY, failure, beforeReturn } = this.behaviour;
    for await (const chunk of pack) {
      this.receivedBytes += chunk.length;
      if (failure !== undefined) throw failure;
      if (this.receivedBytes >= packBytes) break;
    }
    if (failure !== undefined) throw failure;
    await beforeReturn?.(options);
  }

  disconnected(tips: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    return Promise.resolve(new Set(tips.filter((oid) => this.behaviour.missing.has(oid))));
  }

  kindsOf(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, 'commit' | 'tree' | 'blob' | 'tag'>> {
    return Promise.resolve(new Map(oids.map((oid) => [oid, this.behaviour.kinds.get(oid) ?? 'commit'])));
  }

  shallowRoots(): Promise<readonly Oid[] | undefined> {
    return Promise.resolve(undefined);
  }

  environment(): Promise<Readonly<Record<string, string>>> {
    return Promise.resolve({});
  }

  migrate(): Promise<void> {
    return Promise.resolve();
  }

  isAncestor(ancestor: Oid, descendant: Oid): Promise<boolean> {
    return Promise.resolve(this.#repository.history([descendant]).has(ancestor));
  }

  commit(commands: readonly RefCommand[], options: CommitOptions): Promise<readonly CommandResult[]> {
    if (this.behaviour.commitFailure !== undefined) throw this.behaviour.commitFailure;
    this.committed = commands;
    this.commitOptions = options;
    const current = (name: string): Oid => this.#repository.snapshot.get(name)?.oid ?? '0'.repeat(40);
    const isStale = ({ name, oldOid }: RefCommand): boolean => current(name) !== oldOid;
    const failed = options.atomic && commands.some(isStale) ? commands : commands.filter(isStale);
    const done = commands.filter((command) => !failed.includes(command));
    const refs = new Map(this.#repository.snapshot.refs.map((ref) => [ref.name, ref.oid]));
    for (const { name, newOid } of done) {
      if (isZeroOid(newOid)) refs.delete(name);
      else refs.set(name, newOid);
    }
    this.#repository.snapshot = snapshotOf(Array.from(refs, ([name, oid]) => ({ name, oid })));
    return Promise.resolve(
      commands.map((command) =>
        failed.includes(command)
          ? { name: command.name, status: 'rejected', reason: 'failed to update ref' }
          : { name: command.name, status: 'ok' },
      ),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    return Promise.resolve();
  }
}
