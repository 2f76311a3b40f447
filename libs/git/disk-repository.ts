import { hasCode, type ObjectFormat, type Oid } from '#base';
import {
  type ArchiveRepository,
  type CommandResult,
  type CertificatePolicy,
  hiddenRefs,
  type ReceivePackRepository,
  type RefCommand,
  type RefSnapshot,
  type UploadPackRepository,
} from '#wire';
import type { Pusher, RepositoryFacts } from './agent.ts';
import { uploadArchive } from './upload-archive.ts';
import { CommitHistory } from './commit-graph/history.ts';
import { objectFormatOf } from './git-directory.ts';
import type { ObjectReader } from './object-reader.ts';
import type { MaintenanceOptions, MaintenanceReport } from './maintenance/repository-maintenance.ts';
import { RepositoryUpkeep } from './maintenance/upkeep.ts';
import { PackWatch } from './packs/pack-watch.ts';
import { shallowBoundary } from './packs/reachability.ts';
import { RepositoryPacks } from './packs/repository-packs.ts';
import { noteLocks } from './quarantine/incoming-files.ts';
import { recoverIncoming } from './quarantine/incoming-recovery.ts';
import { publishedFile, type PublishedFile } from './published-file.ts';
import { namespacedSnapshot } from './refs/namespace.ts';
import { RefStore } from './refs/ref-store.ts';
import { CopyStateFile } from './replication/copy-state.ts';
import type { CopyContents, Replica } from './replication/replica.ts';
import type { Replication } from './replication/replication.ts';
import type { TransactionOptions } from './refs/transaction.ts';
import { type ConfigValues, RepositoryConfig } from './repository-config.ts';
import { countFacts, verifyRepository } from './repository-facts.ts';
import { readPolicy, type RepositoryMode, type RepositoryPolicy } from './repository-policy.ts';
import { ShallowFile } from './shallow-file.ts';
import { RepositoryWrites } from './repository-writes.ts';
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
  /** How the other copies of a repository are reached; undefined, when asked, where there are none. */
  readonly replication?: (() => Replication | undefined) | undefined;
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
  readonly #copy: CopyStateFile;
  readonly #writes: RepositoryWrites;
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
    this.#copy = new CopyStateFile(disk, gitDir);
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
    this.#writes = new RepositoryWrites(storage, {
      options,
      objectFormat: format,
      namespace: this.#namespace,
      config,
      refs: this.#refs,
      shallow: this.#shallow,
      upkeep: this.#upkeep,
      packs: this.#packs,
      copy: this.#copy,
      commits: () => this.history.walkable(),
      policy: () => this.#policy(),
      servedRefs: () => this.#servedRefs(),
      noteBusy: () => this.#noteBusy(),
    });
  }

  /** Throws `failed_precondition` for a repository whose format or config is not understood. */
  static async open(storage: Storage, options: DiskRepositoryOptions): Promise<DiskRepository> {
    await recover(storage, options);
    const config = new RepositoryConfig(storage, options.gitDir);
    const repository = new DiskRepository(storage, options, config, objectFormatOf(await config.values()));
    if (options.mode === 'owned') {
      await repository.#refs.settleReflogs();
      await repository.#writes.replica().resume();
    }
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

  /** Ends what pushes left for later: reflogs that were put off. Never throws: the next opening tries again. */
  settle(): Promise<void> {
    return this.#refs.settleReflogs();
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
    await this.#writes.setHead(ref, by);
  }

  /** The view of git-receive-pack for one pusher, with the policy as it is now. */
  receivePack(by: Pusher): Promise<ReceivePackRepository> {
    return this.#writes.receivePack(by);
  }

  /** This repository as a copy that follows another one. */
  replica(): Replica {
    return this.#writes.replica();
  }

  /** All of this copy at one moment, for another one to become like it. */
  contents(): Promise<CopyContents> {
    return this.#writes.contents();
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

  /** A file for a client of the dumb protocol. Throws `not_found`. */
  publishedFile(name: string): Promise<PublishedFile> {
    return publishedFile(this.#storage.disk, this.gitDir, () => this.refs(), name);
  }

  /** The view of git-upload-archive. */
  uploadArchive(): ArchiveRepository {
    return {
      archive: (request, signal) =>
        uploadArchive(this.#storage, { gitDir: this.gitDir, config: this.#config }, request, signal),
    };
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
      generation: (await this.#copy.read())?.generation ?? snapshot.generation,
      refs: snapshot.refs.length,
      objectFormat: this.objectFormat,
    };
  }

  /** `git fsck`: what is wrong, one sentence each; empty when all is well. */
  verify(): Promise<readonly string[]> {
    return verifyRepository(this.#storage, this.gitDir);
  }
}

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
