import { hasCode, type ObjectFormat, type Oid, PackhorseError } from '#base';
import {
  type ArchiveRepository,
  type CommandResult,
  type CommitOptions,
  type CertificatePolicy,
  hiddenRefs,
  type HookRunner,
  type ReceivePackRepository,
  type RefCommand,
  type RefSnapshot,
  type UploadPackRepository,
} from '#wire';
import type { Pusher, RepositoryFacts } from './agent.ts';
import { alternateTips } from './alternates.ts';
import { uploadArchive } from './upload-archive.ts';
import { CommitHistory } from './commit-graph/history.ts';
import { objectFormatOf } from './git-directory.ts';
import type { ObjectReader } from './object-reader.ts';
import type { MaintenanceOptions, MaintenanceReport } from './maintenance/repository-maintenance.ts';
import { RepositoryUpkeep } from './maintenance/upkeep.ts';
import { PackWatch } from './packs/pack-watch.ts';
import { shallowBoundary } from './packs/reachability.ts';
import { RepositoryPacks } from './packs/repository-packs.ts';
import { transactionHook } from './hooks/transaction-hook.ts';
import { hooksOf, pushSurroundings } from './push-surroundings.ts';
import { noteLocks } from './quarantine/incoming-files.ts';
import { recoverIncoming } from './quarantine/incoming-recovery.ts';
import { publishedFile, type PublishedFile } from './published-file.ts';
import { PushQuarantine, type QuarantineHost } from './quarantine/push-quarantine.ts';
import { namespacedNames, namespacedSnapshot } from './refs/namespace.ts';
import { RefStore } from './refs/ref-store.ts';
import type { TransactionOptions } from './refs/ref-transaction.ts';
import { type ConfigValues, RepositoryConfig } from './repository-config.ts';
import { countFacts, verifyRepository } from './repository-facts.ts';
import { readPolicy, type RepositoryMode, type RepositoryPolicy } from './repository-policy.ts';
import { ShallowFile } from './shallow-file.ts';
import type { Storage } from './storage.ts';
import { noteBusy } from './volume/busy-note.ts';
import { diskError, forEachBounded } from './volume/disk.ts';
import { recoverRepository } from './volume/recovery.ts';

export interface DiskRepositoryOptions {
  /** Never used again for another repository: what is cached is kept under it. */
  readonly id: string;
  /** Absolute path of the repository directory, as `findGitDirectory` found it. */
  readonly gitDir: string;
  readonly mode: RepositoryMode;
  readonly objects: ObjectReader;
  readonly maxCommands: number;
  /** Packs went from the disk: files that are held open had better be opened again. */
  readonly packsRemoved?: () => Promise<void>;
  /** Runs the hooks of the repository, which are code of whoever made it. */
  readonly runHooks?: boolean;
  /** How flaws in pushed objects are judged, such as `missingEmail=ignore`, before the repository's own config. */
  readonly fsckRules?: readonly string[];
  /** How signed pushes are asked for where the repository itself says nothing of it. */
  readonly certificates?: Omit<CertificatePolicy, 'repository'> | undefined;
}

/**
 * One repository on disk: its refs, pushes and packs. Everything that changes it goes through
 * here; reading objects is the `ObjectReader`'s business. Close nothing: it holds no handle.
 */
export class DiskRepository {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly history: CommitHistory;
  readonly #storage: Storage;
  readonly #options: DiskRepositoryOptions;
  readonly #config: RepositoryConfig;
  readonly #shallow: ShallowFile;
  readonly #refs: RefStore;
  readonly #packWatch: PackWatch;
  readonly #upkeep: RepositoryUpkeep;
  readonly #packs: RepositoryPacks;
  #readPolicy: { readonly config: ConfigValues; readonly policy: RepositoryPolicy } | undefined;

  private constructor(
    storage: Storage,
    options: DiskRepositoryOptions,
    config: RepositoryConfig,
    format: ObjectFormat,
  ) {
    this.#storage = storage;
    this.#options = options;
    this.gitDir = options.gitDir;
    this.objectFormat = format;
    this.#config = config;
    this.#shallow = new ShallowFile(storage, options.gitDir, format);
    const { gitDir, mode, objects } = options;
    const { disk, clock, log, random } = storage;
    this.#refs = new RefStore({
      gitDir,
      objectFormat: format,
      mode,
      objects,
      disk,
      clock,
      log,
      reflogPolicy: async () => (await this.#policy()).reflogs,
      ...(mode === 'shared' ? { noteLocks: (paths) => noteLocks(disk, random, gitDir, paths) } : {}),
    });
    const refs = (): Promise<RefSnapshot> => this.refs();
    this.#packWatch = new PackWatch(storage, gitDir);
    this.history = new CommitHistory(storage, {
      gitDir,
      objectFormat: format,
      objects,
      shallow: this.#shallow,
      refs,
    });
    this.#packs = new RepositoryPacks(storage, {
      id: options.id,
      gitDir,
      objectFormat: format,
      packObjectsHook: async () => (await config.values()).lastProtected('uploadpack.packObjectsHook'),
      commitNode: (oid) => this.history.node(oid),
      read: (oid) => objects.read(oid),
      shallows: () => this.#shallow.commits(),
      refs,
      reachable: (oids, tips) => this.history.isReachable(oids, tips),
    });
    this.#upkeep = new RepositoryUpkeep(storage, {
      gitDir,
      objectFormat: format,
      mode,
      config,
      history: this.history,
      refs,
      withRefsLocked: (work) => this.#refs.exclusively(work),
      noteBusy: () => this.#noteBusy(),
      packsRemoved: async () => {
        await options.packsRemoved?.();
        void this.#packs.prepare();
      },
    });
  }

  /** Throws `failed_precondition` for a repository whose format or config is not understood. */
  static async open(storage: Storage, options: DiskRepositoryOptions): Promise<DiskRepository> {
    await recover(storage, options);
    const config = new RepositoryConfig(storage, options.gitDir);
    const repository = new DiskRepository(storage, options, config, objectFormatOf(await config.values()));
    if (options.mode === 'owned') await repository.#refs.settleReflogs();
    await repository.#upkeep.resume();
    return repository;
  }

  /** False once the config asks for a format or an extension that we do not know. */
  async isUnderstood(): Promise<boolean> {
    try {
      const config = await this.#config.values();
      return config === this.#readPolicy?.config || objectFormatOf(config) === this.objectFormat;
    } catch (error) {
      if (hasCode(error, 'failed_precondition')) return false;
      throw error;
    }
  }

  /** The refs now. */
  refs(): Promise<RefSnapshot> {
    return this.#refs.snapshot();
  }

  /** Moves refs without a push; results as for one. */
  async updateRefs(
    commands: readonly RefCommand[],
    options: TransactionOptions,
  ): Promise<readonly CommandResult[]> {
    await using _busy = await this.#noteBusy();
    const results = await this.#refs.transact(commands, options);
    void this.#packs.prepare();
    return results;
  }

  async #noteBusy(): Promise<AsyncDisposable> {
    const { disk, random } = this.#storage;
    if (this.#options.mode === 'shared') return { [Symbol.asyncDispose]: () => Promise.resolve() };
    try {
      return await noteBusy(disk, random, this.gitDir);
    } catch (error) {
      throw diskError(error);
    }
  }

  /** Maintains a repository of ours, see RepositoryUpkeep. */
  maintain(options: MaintenanceOptions): Promise<MaintenanceReport> {
    return this.#upkeep.run(options);
  }

  /** The same now, when it is its turn on this node. */
  maintainNow(options: Omit<MaintenanceOptions, 'signal'>): Promise<MaintenanceReport> {
    return this.#upkeep.runNow(options);
  }

  /** Names another default branch, which may be unborn. Throws `invalid_argument` for a bad name. */
  async setHead(ref: string, by: Pusher): Promise<void> {
    await using _busy = await this.#noteBusy();
    await this.#refs.setHead(ref, by);
  }

  /** The refs of the namespace that is served, which nearly always is all of them. */
  async #servedRefs(): Promise<RefSnapshot> {
    const snapshot = await this.refs();
    const namespace = this.#namespace;
    if (namespace === '') return snapshot;
    return namespacedSnapshot(snapshot, namespace, await this.#refs.value(`${namespace}HEAD`));
  }

  get #namespace(): string {
    return this.#options.mode === 'shared' ? this.#storage.namespace : '';
  }

  async #policy(): Promise<RepositoryPolicy> {
    const { mode, maxCommands, certificates, fsckRules = [] } = this.#options;
    const config = await this.#config.values();
    if (this.#readPolicy?.config !== config) {
      const repository = this.gitDir;
      const { settings } = this.#storage;
      const namespace = this.#namespace;
      const rules = { mode, maxCommands, repository, certificates, fsckRules, settings, namespace };
      this.#readPolicy = { config, policy: readPolicy(config, rules) };
    }
    return this.#readPolicy.policy;
  }

  /** The view of git-upload-pack, with the policy as it is now. */
  async uploadPack(): Promise<UploadPackRepository> {
    if (this.#options.mode === 'shared' && (await this.#packWatch.wereRemoved())) {
      await this.#options.packsRemoved?.();
    }
    const { upload } = await this.#policy();
    const { objects } = this.#options;
    return {
      objectFormat: this.objectFormat,
      uploadPolicy: upload,
      refs: () => this.#servedRefs(),
      existing: (oids) => objects.existing(oids),
      commitNode: this.history.view(),
      shallows: () => this.#shallow.commits(),
      shallowBoundary: (wants, deepen) => shallowBoundary(this.#storage, this.gitDir, wants, deepen),
      reachable: (oids, tips) => this.history.isReachable(oids, tips),
      objectSizes: (oids) => this.#objectSizes(oids),
      bundleList: (overHttp) => this.#bundleList(overHttp, upload.hiddenRefs),
      pack: (request, signal) => this.#packs.serve(request, signal),
    };
  }

  async #objectSizes(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, number>> {
    const sizes = new Map<Oid, number>();
    await forEachBounded(new Set(oids), 32, async (oid) => {
      const header = await this.#options.objects.header(oid);
      if (header !== undefined) sizes.set(oid, header.sizeBytes);
    });
    return sizes;
  }

  /** A bundle that was offered to begin a clone with. Throws `not_found`. */
  openBundle(id: string): Promise<PublishedFile> {
    return this.#packs.openBundle(id);
  }

  /** As the config says it (git-config(1), `bundle.*`); for a repository of ours that says nothing, one that we make. */
  async #bundleList(
    overHttp: boolean,
    hidden: readonly string[],
  ): Promise<readonly (readonly [key: string, value: string])[]> {
    const { entries } = await this.#config.values();
    const isSaid = entries.some(([key]) => key.startsWith('bundle.'));
    if (!isSaid && overHttp && this.#options.mode === 'owned') {
      const rules = hiddenRefs(hidden);
      const id = await this.#packs.offerBundle(
        (await this.refs()).refs.filter(({ name }) => !rules.hides(name)),
      );
      if (id === undefined) return [];
      // Relative to the address of the repository (git-config(1), `bundle.<id>.uri`).
      return [
        ['bundle.version', '1'],
        ['bundle.mode', 'all'],
        ['bundle.base.uri', `bundles/${id}.bundle`],
      ];
    }
    return entries.flatMap(([key, value = '']) =>
      key.startsWith('bundle.') && value !== '' ? [[key, value] as const] : [],
    );
  }

  /** The view of git-receive-pack for one pusher, with the policy as it is now. */
  async receivePack(by: Pusher): Promise<ReceivePackRepository> {
    const [policy, config] = await Promise.all([this.#policy(), this.#config.values()]);
    const { gitDir, objectFormat } = this;
    const { mode } = this.#options;
    const namespace = this.#namespace;
    const target = { gitDir, objectFormat, config, mode, namespace, refs: () => this.refs() };
    const hooks = this.#options.runHooks === true ? hooksOf(this.#storage, target, by) : undefined;
    const surroundings = pushSurroundings(this.#storage, target, hooks);
    return {
      objectFormat: this.objectFormat,
      receivePolicy: policy.receive,
      refs: () => this.#servedRefs(),
      shallows: () => this.#shallow.commits(),
      alternateTips: async () => [...(await this.#alternateTips()), ...(await this.#tipsOutsideNamespace())],
      ...surroundings,
      afterPush: async (onOutput) => {
        await this.#upkeep.afterReport((text) => void onOutput(text));
        await surroundings.afterPush?.(onOutput);
      },
      openQuarantine: async (signal) => {
        if (signal.aborted) throw new PackhorseError('cancelled', 'The operation was cancelled.');
        const busy = await this.#upkeep.beginPush();
        return new PushQuarantine(this.#storage, this.#quarantineHost(policy, by, hooks), busy, signal);
      },
    };
  }

  /** A file for a client of the dumb protocol. Throws `not_found`. */
  publishedFile(name: string): Promise<PublishedFile> {
    return publishedFile(this.#storage.disk, this.gitDir, () => this.refs(), name);
  }

  /** What other namespaces have need not be sent, but is shown to nobody by name. */
  async #tipsOutsideNamespace(): Promise<readonly Oid[]> {
    const namespace = this.#namespace;
    if (namespace === '') return [];
    return (await this.refs()).refs.filter(({ name }) => !name.startsWith(namespace)).map(({ oid }) => oid);
  }

  /** The view of git-upload-archive. */
  uploadArchive(): ArchiveRepository {
    return {
      archive: (request, signal) =>
        uploadArchive(this.#storage, { gitDir: this.gitDir, config: this.#config }, request, signal),
    };
  }

  #quarantineHost(policy: RepositoryPolicy, by: Pusher, hooks: HookRunner | undefined): QuarantineHost {
    const named = namespacedNames(this.#namespace);
    return {
      gitDir: this.gitDir,
      objectFormat: this.objectFormat,
      objects: this.#options.objects,
      commits: () => this.history.walkable(),
      closed: this.#options.mode === 'owned' && policy.checks.kind === 'fsck',
      checks: policy.checks,
      takesSmallPacks: policy.usualRights && !(policy.checks.kind === 'fsck' && policy.checks.configured),
      unpackLimit: policy.unpackLimit,
      refs: () => this.refs(),
      alternateTips: () => this.#alternateTips(),
      shallows: () => this.#shallow.commits(),
      addShallows: (oids) => this.#shallow.add(oids),
      refusal: async (commands, { atomic }) => {
        const refusal = await this.#refs.refusal(named.onDisk(commands), atomic);
        return refusal && named.asServed(refusal);
      },
      transact: async (commands: readonly RefCommand[], options: CommitOptions) =>
        named.asServed(await this.#transactPush(named.onDisk(commands), options, by, hooks)),
    };
  }

  async #transactPush(
    commands: readonly RefCommand[],
    options: CommitOptions,
    by: Pusher,
    hooks: HookRunner | undefined,
  ): Promise<readonly CommandResult[]> {
    const before = await this.refs();
    const { atomic, certificate } = options;
    const message = certificate === undefined ? 'push' : `push: signed, certificate ${certificate}`;
    const hook = await transactionHook(hooks, options);
    const results = await this.#refs.transact(commands, { atomic, by, message, ...(hook && { hook }) });
    if (this.#options.mode === 'owned') await this.#adoptDefaultBranch(before, by);
    void this.#packs.prepare();
    await this.#upkeep.afterPush(results);
    return results;
  }

  /**
   * The first branch of a repository becomes its default one, so that what somebody pushed under
   * another name than ours is checked out by those who clone it.
   */
  async #adoptDefaultBranch(before: RefSnapshot, by: Pusher): Promise<void> {
    if (before.head.oid !== undefined || before.withPrefix('refs/heads/').length > 0) return;
    const after = await this.refs();
    const branches = after.withPrefix('refs/heads/');
    const first = branches.find(({ name }) => usualDefaultBranches.has(name)) ?? branches[0];
    if (after.head.oid !== undefined || first === undefined) return;
    try {
      await this.#refs.setHead(first.name, by);
    } catch (error) {
      this.#storage.log.warn('The first branch could not be made the default one.', { error });
    }
  }

  #alternateTips(): Promise<readonly Oid[]> {
    return alternateTips(this.#storage, this.gitDir, this.objectFormat);
  }

  /** The last value of a key of the repository's Git config; section and name may be in any case. */
  async configValue(key: string): Promise<string | undefined> {
    return (await this.#config.values()).last(key);
  }

  /** Sizes and counts, from the directory. */
  async facts(): Promise<RepositoryFacts> {
    const snapshot = await this.refs();
    const counted = await countFacts(this.#storage.disk, this.gitDir);
    return {
      ...counted,
      maintenance: await this.#upkeep.facts(),
      generation: snapshot.generation,
      refs: snapshot.refs.length,
      objectFormat: this.objectFormat,
    };
  }

  /** `git fsck`: what is wrong, one sentence each; empty when all is well. */
  verify(): Promise<readonly string[]> {
    return verifyRepository(this.#storage, this.gitDir);
  }
}

const usualDefaultBranches = new Set(['refs/heads/main', 'refs/heads/master', 'refs/heads/trunk']);

/** Tidies up after servers that are gone. A repository that cannot be written to can still be read. */
async function recover(storage: Storage, { gitDir, mode }: DiskRepositoryOptions): Promise<void> {
  const { disk, clock, settings, log } = storage;
  try {
    if (mode === 'owned') await recoverRepository(disk, gitDir, storage.startedAtMs);
    else await recoverIncoming(disk, gitDir, clock.nowMs(), settings.quarantineGraceMs);
  } catch (error) {
    log.warn('A repository could not be tidied up.', { error, gitDir });
  }
}
