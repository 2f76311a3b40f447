import type { ByteSink, ByteStream, ObjectFormat, Oid } from '#base';

/**
 * What the protocol needs of a repository. `wire` does no I/O: `git` implements these interfaces
 * and `gateway` connects the two.
 */

export interface Ref {
  /** Full name, such as `refs/heads/main`. */
  readonly name: string;
  /** The object it names (for a symbolic ref: what its target names). */
  readonly oid: Oid;
  /** For an annotated tag: the object that it finally peels to. */
  readonly peeled?: Oid;
  /** For a symbolic ref: the full name of its target. */
  readonly symref?: string;
}

/** HEAD of a bare repository; `oid` is absent while the branch is unborn. */
export interface Head {
  readonly oid?: Oid;
  /** Where HEAD leads to an annotated tag: the object that it finally peels to. */
  readonly peeled?: Oid;
  /** Absent when HEAD is detached. */
  readonly symref?: string;
}

/** All refs at one moment. Immutable: encoders may remember what they made of it by identity. */
export interface RefSnapshot {
  /** Grows with every accepted ref transaction. */
  readonly generation: number;
  readonly head: Head;
  /** Everything below `refs/` that is not broken, sorted by the bytes of its name; HEAD is not among them. */
  readonly refs: readonly Ref[];
  get(name: string): Ref | undefined;
  /** The refs whose name starts with `prefix` (a plain string prefix, as in `ref-prefix`). */
  withPrefix(prefix: string): readonly Ref[];
  /** True when HEAD or some ref names `oid` or peels to it. */
  namesObject(oid: Oid): boolean;
}

/** What the ancestry walks of negotiation and shallow computation need of a commit. */
export interface CommitNode {
  /** The commit itself: another one than was asked for when that was a tag. */
  readonly oid: Oid;
  readonly parents: readonly Oid[];
  readonly committerTimeSeconds: number;
  /** Where the repository has them computed; then for all ancestors, too. */
  readonly generation?: Generation;
}

/** Generation numbers (gitformat-commit-graph): a commit cannot reach another whose number is the same or higher. */
export interface Generation {
  /** Version 1, the topological level. */
  readonly level: number;
  /** Version 2, the corrected commit date; absent where it was not computed. */
  readonly correctedTimeSeconds?: number;
}

/** Which object filters may be asked for (git-config, `uploadpackfilter.*`). */
export interface FilterRules {
  /** For filters that are not in `allowed`. */
  readonly byDefault: boolean;
  /** By the name of a filter in the config: `blob:none`, `blob:limit`, `tree`, `sparse:oid`, `object:type`, `combine`. */
  readonly allowed: ReadonlyMap<string, boolean>;
  /** The largest depth of a `tree` filter; any when absent. */
  readonly maxTreeDepth?: number;
}

/** What clients may ask for and are told of; what is optional is off, or as in Git, when absent. */
export interface UploadPackPolicy {
  readonly allowFilter: boolean;
  /** All filters when absent. */
  readonly filterRules?: FilterRules;
  readonly allowTipSha1InWant: boolean;
  readonly allowReachableSha1InWant: boolean;
  readonly allowAnySha1InWant: boolean;
  /** Protocol v2 `want-ref`; off when absent, as in Git. */
  readonly allowRefInWant?: boolean;
  /** Protocol v2 `sideband-all`; off when absent, as in Git. */
  readonly allowSidebandAll?: boolean;
  /** Protocol v2 `packfile-uris` (git-config, `uploadpack.blobPackfileUri`). */
  readonly allowPackfileUris?: boolean;
  /** Whether `ls-refs` tells of an unborn HEAD: offered, only when asked, or never; `advertise` when absent. */
  readonly unborn?: 'advertise' | 'allow' | 'ignore';
  /** Protocol v2 `object-info`. */
  readonly advertiseObjectInfo?: boolean;
  /** Protocol v2 `bundle-uri`. */
  readonly advertiseBundleUris?: boolean;
  /** `session-id`, for logs on both sides. */
  readonly advertiseSessionId?: boolean;
  /** The encoded value of protocol v2 `promisor-remote`. */
  readonly promisorAdvertisement?: string;
  /** The names that a client may accept in answer to it. */
  readonly promisorRemotes?: readonly string[];
  /** Silence before a keep-alive packet, 0 for none; the server's setting when absent. */
  readonly keepAliveMs?: number;
  /** Full names or prefixes of refs that are not shown (git-config, transfer.hideRefs); empty by default. */
  readonly hiddenRefs: readonly string[];
}

/** Everything that decides the bytes of a pack, and nothing else (no identity): also a cache key. */
export interface PackRequest {
  readonly wants: readonly Oid[];
  /** Objects that both sides have. */
  readonly haves: readonly Oid[];
  /** Commits whose parents the client lacks (from `shallow` lines), minus those being unshallowed. */
  readonly clientShallows: readonly Oid[];
  /** Commits at which this request cuts history off; only with a deepen option. */
  readonly newShallows: readonly Oid[];
  /** Commits that the client had as shallow and gets the parents of now. */
  readonly unshallows: readonly Oid[];
  readonly thinPack: boolean;
  readonly ofsDelta: boolean;
  readonly includeTag: boolean;
  /** A checked object filter spec (git-rev-list, --filter). */
  readonly filter?: string;
  readonly progress: boolean;
  /** The client gets what is promised by remotes from there: such objects may be missing. */
  readonly allowMissingPromised?: boolean;
  /** Schemes of URIs from which the client gets configured blobs by itself (protocol v2, `packfile-uris`). */
  readonly uriProtocols?: readonly string[];
}

export interface PackPart {
  /**
   * `data`: bytes of the pack. `progress`: text for the user, possibly with carriage returns.
   * `packfile-uri`: the hash and URI of another pack, only before all data and with `uriProtocols`.
   */
  readonly kind: 'data' | 'progress' | 'packfile-uri';
  readonly bytes: Uint8Array;
  /** Called by a reader that is done with the bytes, so that their memory can be used again; need not be. */
  readonly release?: () => void;
}

/** Which commits a shallow request ends at (git-rev-list, --shallow-since / --shallow-exclude; depth as in gitprotocol-v2). */
export type Deepen =
  | { readonly kind: 'depth'; readonly depth: number; readonly relative: boolean }
  | { readonly kind: 'rev-list'; readonly sinceSeconds?: number; readonly exclude: readonly Oid[] };

export interface UploadPackRepository {
  readonly objectFormat: ObjectFormat;
  readonly uploadPolicy: UploadPackPolicy;
  refs(): Promise<RefSnapshot>;
  /** Those of `oids` that exist, whatever their kind. */
  existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>>;
  /** undefined when `oid` does not exist; a tag is peeled; undefined for trees and blobs. */
  commitNode(oid: Oid): Promise<CommitNode | undefined>;
  /** The repository's own shallow commits (gitrepository-layout, `shallow`). */
  shallows(): Promise<ReadonlySet<Oid>>;
  /** The boundary of everything reachable from `wants` under `deepen` of kind rev-list. */
  shallowBoundary(
    wants: readonly Oid[],
    deepen: Extract<Deepen, { kind: 'rev-list' }>,
  ): Promise<readonly Oid[]>;
  /** True when every commit among `oids` is reachable from some of `tips`. */
  reachable(oids: readonly Oid[], tips: readonly Oid[]): Promise<boolean>;
  /** The sizes in bytes of those of `oids` that exist. */
  objectSizes(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, number>>;
  /** Where bundles of this repository are, as keys and values of a bundle list (git-config, `bundle.*`), in order. */
  bundleList(overHttp: boolean): Promise<readonly (readonly [key: string, value: string])[]>;
  /** Produces the pack. Aborting `signal`, or leaving the loop, stops the producer. Throws `data_loss` when objects are missing or corrupt. */
  pack(request: PackRequest, signal: AbortSignal): AsyncIterable<PackPart>;
}

/** What becomes of a push that touches what somebody works on (git-config, receive.denyCurrentBranch). */
export type DenyAction =
  | 'ignore'
  | 'warn'
  | 'refuse'
  /** Refused, with an explanation of how to allow it. */
  | 'unconfigured'
  /** Allowed, when the work tree can be brought along. */
  | 'updateInstead';

export interface ReceivePackPolicy {
  readonly denyNonFastForwards: boolean;
  readonly denyDeletes: boolean;
  /** What becomes of a deletion of the branch that HEAD names. */
  readonly denyDeleteCurrent: DenyAction;
  /** What becomes of an update of a branch that is checked out in some work tree. */
  readonly denyCurrentBranch: DenyAction;
  readonly advertiseAtomic: boolean;
  readonly advertisePushOptions: boolean;
  /** Name the session in the advertisement (git-config, transfer.advertiseSID). */
  readonly advertiseSessionId: boolean;
  /** Signed pushes are accepted and asked for a nonce that is made from this (git-config, receive.certNonceSeed). */
  readonly certificates?: CertificatePolicy;
  /** A push may make the repository shallow (git-config, receive.shallowUpdate). */
  readonly shallowUpdate: boolean;
  /** Refs that the proc-receive hook takes care of, as `receive.procReceiveRefs` has them. */
  readonly procReceiveRefs: readonly string[];
  readonly hiddenRefs: readonly string[];
  readonly maxPackBytes: number;
  readonly maxCommands: number;
  /** Silence after which a keep-alive packet goes out; the server's own setting when absent, none at 0. */
  readonly keepAliveMs?: number;
}

/** How nonces of signed pushes are made and judged. */
export interface CertificatePolicy {
  readonly nonceSeed: string;
  /** A nonce of another instance counts as ours when it is at most so old; 0 trusts none. */
  readonly nonceSlopSeconds: number;
  /** What identifies the repository in the nonce. */
  readonly repository: string;
}

/** One line of a push: create (old is zero), update, or delete (new is zero). */
export interface RefCommand {
  readonly name: string;
  readonly oldOid: Oid;
  readonly newOid: Oid;
}

/** What a command really did, where a hook did it (gitprotocol-pack, "Report Status", `option` lines). */
export interface RefReport {
  readonly name?: string;
  readonly oldOid?: Oid;
  readonly newOid?: Oid;
  readonly forcedUpdate?: boolean;
}

/** What became of one command; the reason is what `git push` prints in brackets. */
export type CommandResult =
  | {
      readonly name: string;
      readonly status: 'ok';
      readonly reports?: readonly RefReport[];
      /** A deletion found a ref that led nowhere, and was shown to nobody therefore. */
      readonly wasCorrupt?: boolean;
    }
  | {
      readonly name: string;
      readonly status: 'rejected';
      readonly reason: string;
      /** What git says of it besides, for the user. */
      readonly note?: string;
    };

export type HookName =
  | 'pre-receive'
  | 'update'
  | 'proc-receive'
  | 'post-receive'
  | 'post-update'
  | 'push-to-checkout'
  | 'reference-transaction';

/** One run of a hook (githooks). */
export interface HookCall {
  readonly name: HookName;
  readonly args?: readonly string[];
  /** Besides what the hook gets from the server and its door. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What it may read from its standard input; nothing when absent. */
  readonly input?: ByteStream;
  /** Gets what it writes, as it comes: standard output and standard error together. Waited for, so that nothing piles up. */
  readonly onOutput: (text: Uint8Array) => Promise<void>;
  /** Aborting stops it and everything it started. */
  readonly signal?: AbortSignal | undefined;
}

/** The hooks of a repository. */
export interface HookRunner {
  /** True when there is such a hook; one that may not be executed is passed over by `run`, which says so. */
  has(name: HookName): Promise<boolean>;
  /** True when the hook succeeded, or there is none. */
  run(call: HookCall): Promise<boolean>;
  /**
   * Runs a hook that talks over its standard streams; only its standard error goes to `onOutput`.
   * undefined when there is no such hook. `succeeded` is false for any exit status but 0.
   */
  converse<Result>(
    call: Omit<HookCall, 'input'>,
    talk: (input: ByteStream, output: ByteSink) => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly succeeded: boolean } | undefined>;
}

/** A work tree of the repository and the branch that it has checked out. */
export interface WorkTree {
  /** The branch that it has checked out, which may be unborn. */
  readonly branch: string;
  readonly path: string;
  readonly gitDir: string;
}

/** What is known of the signature of a push (git-verify-commit, `%G?`, `%GS`, `%GK`). */
export interface SignatureCheck {
  /** `G` good, `B` bad, `U` good but not trusted, `E` cannot be checked, `N` none. */
  readonly status: string;
  readonly signer: string;
  readonly key: string;
}

export interface ReceivePackRepository {
  readonly objectFormat: ObjectFormat;
  readonly receivePolicy: ReceivePackPolicy;
  /** Absent where hooks are not run. */
  readonly hooks?: HookRunner;
  refs(): Promise<RefSnapshot>;
  /** The repository's own shallow commits (gitrepository-layout, `shallow`). */
  shallows(): Promise<ReadonlySet<Oid>>;
  /** Tips of repositories that this one borrows objects from, advertised as `.have`. */
  alternateTips(): Promise<readonly Oid[]>;
  /** The work trees by the branch that they have checked out; empty for most bare repositories. */
  workTrees(): Promise<ReadonlyMap<string, WorkTree>>;
  /** Brings a clean work tree to `newOid`. Resolves to why that cannot be, or to undefined. */
  updateWorkTree(tree: WorkTree, newOid: Oid, call: Omit<HookCall, 'name'>): Promise<string | undefined>;
  /** Keeps the certificate of a signed push as a blob, whatever becomes of the push. */
  storeCertificate(certificate: Buffer): Promise<Oid>;
  /** Checks a signed payload and its detached signature with the programs and keys that the server has. */
  verifySignature(payload: Buffer, signature: Buffer): Promise<SignatureCheck>;
  /** Called when refs were updated and the client has its report; `onOutput` shows text to it. */
  afterPush?(onOutput: HookCall['onOutput']): Promise<void>;
  /** Starts a push. Nothing is visible to anyone else before `commit`; disposing forgets everything. */
  openQuarantine(signal: AbortSignal): Promise<Quarantine>;
}

export interface ReceiveOptions {
  readonly maxPackBytes: number;
  /** Called with text for the user while the pack is indexed; undefined for a quiet push. */
  readonly onProgress?: (text: Uint8Array) => void;
  /** Called with warnings and errors, in a quiet push too. */
  readonly onMessage?: (text: Uint8Array) => void;
  /** Commits announced as `shallow` by the pushing client. */
  readonly clientShallows: readonly Oid[];
}

/** Where a push's objects wait until the push is accepted. */
export interface Quarantine extends AsyncDisposable {
  /**
   * Pipes a pack, as it arrives, into the indexer. Throws `invalid_argument` for a truncated,
   * corrupt or fsck-failing pack and `resource_exhausted` for one over the limit or a full disk;
   * the message is what the client prints after `unpack`. A client may keep its connection open
   * behind the pack, so the indexer, not the end of `pack`, says when the pack is complete; the
   * stream may then be left, even while a chunk of it is awaited.
   */
  receive(pack: ByteStream, options: ReceiveOptions): Promise<void>;
  /** Those of `tips` from which some object cannot be reached, counting the quarantine and everything already reachable. */
  disconnected(tips: readonly Oid[]): Promise<ReadonlySet<Oid>>;
  /**
   * The commits among those that the client announced as shallow at which the history of `tip` ends
   * here too; undefined when more is missing than that.
   */
  shallowRoots(tip: Oid): Promise<readonly Oid[] | undefined>;
  /** What each of `oids` is, looking into the quarantine too; those that do not exist are left out. */
  kindsOf(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, 'commit' | 'tree' | 'blob' | 'tag'>>;
  /** True when `ancestor` is reachable from `descendant`, looking into the quarantine too. */
  isAncestor(ancestor: Oid, descendant: Oid): Promise<boolean>;
  /** What a program needs in its environment to see the pushed objects; empty once they are moved in. */
  environment(): Promise<Readonly<Record<string, string>>>;
  /** Makes the objects durable and visible. `commit` does it where nobody did. */
  migrate(): Promise<void>;
  /**
   * Makes the objects durable and visible, then runs one ref transaction with compare-and-swap on
   * every old value. Results are in the order of `commands`; with `atomic`, all or none are `ok`.
   */
  commit(commands: readonly RefCommand[], options: CommitOptions): Promise<readonly CommandResult[]>;
}

export interface CommitOptions {
  readonly atomic: boolean;
  /** Structured, never concatenated into anything. */
  readonly pushOptions: readonly string[];
  /** Commits that the repository is shallow at from now on. */
  readonly newShallows?: readonly Oid[];
  /** The blob that holds the certificate of a signed push. */
  readonly certificate?: Oid;
  /** Gets what the reference-transaction hook writes. */
  readonly onOutput?: HookCall['onOutput'];
}
