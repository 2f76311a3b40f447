import { hasCode, PackhorseError, TurnMemo } from '#base';
import type { RefSnapshot } from '#wire';
import { DelegatedRepository } from './delegate/delegated-repository.ts';
import { DiskRepository, type DiskRepositoryOptions } from './disk-repository.ts';
import { findGitDirectory, isLinkedWorkTree } from './git-directory.ts';
import { surveyPackNames } from './maintenance/object-survey.ts';
import type { ObjectCache, RepositoryCache } from './objects/object-cache.ts';
import { RepositoryObjects } from './objects/repository-objects.ts';
import { SharedHandle } from './pool-handle.ts';
import type { ConcurrencyLimit } from './process/limit.ts';
import type { ReadContext } from './read/context.ts';
import { LastCommits } from './read/last-commits.ts';
import type { Replication } from './replication/replication.ts';
import type { RepositoryMode } from './repository-policy.ts';
import type { Storage } from './storage.ts';

/** Where a repository is on this node. */
export interface RepositoryLocation {
  /** Never used again for another repository: what is cached is kept under it. */
  readonly id: string;
  /** The repository directory. */
  readonly path: string;
  /** `owned`: only this server writes. `shared`: other programs may change it at any time. */
  readonly mode: RepositoryMode;
}

/** What all pools of a node share. */
export interface PoolNode {
  readonly storage: Storage;
  readonly cache: ObjectCache;
  readonly blobStreams: ConcurrencyLimit;
  readonly maxCommands: number;
  readonly runHooks: boolean;
  readonly fsckRules: readonly string[];
  readonly certificates: DiskRepositoryOptions['certificates'];
  /** How the other copies of a repository are reached, by its id. */
  readonly replication: ((repositoryId: string) => Replication | undefined) | undefined;
  /** Object handles open now, for the observer. */
  openHandles: number;
}

/**
 * One repository while somebody on this node uses it: its refs and writes, its cache, its handles.
 * There is never more than one of these for a repository, because refs live in its memory.
 */
export class PoolRepository {
  readonly location: RepositoryLocation;
  /** For refs, negotiation and policy. */
  readonly handle: SharedHandle;
  readonly #node: PoolNode;
  readonly #cache: RepositoryCache;
  /** All handles, those of the readers too. */
  readonly #handles = new Set<SharedHandle>();
  readonly #lastCommits = new LastCommits();
  readonly #delegated = new TurnMemo<'now', Promise<DelegatedRepository | undefined>>();
  #opening: Promise<DiskRepository | DelegatedRepository> | undefined;

  constructor(node: PoolNode, location: RepositoryLocation) {
    this.#node = node;
    this.location = location;
    this.#cache = node.cache.of(location.id);
    this.handle = this.openHandle();
  }

  /** Another handle for somebody; give it back with `closeHandle`. */
  openHandle(): SharedHandle {
    const { clock, settings, disk } = this.#node.storage;
    const handle = new SharedHandle({
      open: () => this.openObjects(),
      close: (objects) => this.closeObjects(objects),
      clock,
      idleMs: settings.poolIdleMs,
      ...(this.location.mode === 'shared' && {
        packs: async () => (await surveyPackNames(disk, (await this.disk()).gitDir)).map(({ name }) => name),
      }),
    });
    this.#handles.add(handle);
    return handle;
  }

  async closeHandle(handle: SharedHandle): Promise<void> {
    this.#handles.delete(handle);
    await handle.close();
  }

  /** Throws `not_found` when there is no repository, and `failed_precondition` for one that is not understood. */
  async disk(): Promise<DiskRepository> {
    const repository = await this.#opened();
    if (repository instanceof DiskRepository) return repository;
    throw new PackhorseError('failed_precondition', 'Only git itself understands this repository.');
  }

  /** The repository as git serves it, where we do not understand it; undefined for nearly all. */
  delegated(): Promise<DelegatedRepository | undefined> {
    return this.#delegated.get('now', () => this.#findDelegated());
  }

  async #findDelegated(): Promise<DelegatedRepository | undefined> {
    const repository = await this.#opened();
    if (repository instanceof DelegatedRepository) return repository;
    if (this.location.mode === 'owned' || (await repository.isUnderstood())) return undefined;
    this.#opening = undefined;
    return await this.#findDelegated();
  }

  async #opened(): Promise<DiskRepository | DelegatedRepository> {
    this.#opening ??= this.#open();
    try {
      const repository = await this.#opening;
      // It may be changed into one that we do understand.
      if (repository instanceof DelegatedRepository) this.#opening = undefined;
      return repository;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  /** Waits for what pushes left for later, so that nothing is written here when everyone has gone. */
  async settle(): Promise<void> {
    const repository = await this.#opening?.catch(() => undefined);
    if (repository instanceof DiskRepository) await repository.settle();
  }

  async refs(): Promise<RefSnapshot> {
    return await (await this.disk()).refs();
  }

  async openObjects(): Promise<RepositoryObjects> {
    const { gitDir, objectFormat } = await this.disk();
    const { git, settings } = this.#node.storage;
    const objects = await RepositoryObjects.open({ gitDir, objectFormat, git, settings, cache: this.#cache });
    this.#node.openHandles += 1;
    return objects;
  }

  async closeObjects(objects: RepositoryObjects): Promise<void> {
    this.#node.openHandles -= 1;
    await objects[Symbol.asyncDispose]();
  }

  /** What reads over `objects` work with; `refs` may hold one snapshot fast. */
  async context(
    objects: RepositoryObjects,
    options: { readonly refs?: () => Promise<RefSnapshot>; readonly signal?: AbortSignal } = {},
  ): Promise<ReadContext> {
    const { gitDir, history } = await this.disk();
    const { git, clock, settings } = this.#node.storage;
    return {
      gitDir,
      objects,
      git,
      clock,
      settings,
      lastCommits: this.#lastCommits,
      blobStreams: this.#node.blobStreams,
      commits: () => history.walkable(objects),
      refs: options.refs ?? (() => this.refs()),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
  }

  async #open(): Promise<DiskRepository | DelegatedRepository> {
    const { storage, maxCommands, runHooks, fsckRules, certificates, replication } = this.#node;
    const { path, mode } = this.location;
    if (mode === 'shared' && (await isLinkedWorkTree(storage.disk, path))) {
      return new DelegatedRepository(storage, path, { runHooks });
    }
    const gitDir = mode === 'owned' ? path : await findGitDirectory(storage.disk, path, () => false);
    if (gitDir === undefined || !(await exists(storage, gitDir))) {
      throw new PackhorseError('not_found', 'There is no repository here.', {
        metadata: { id: this.location.id },
      });
    }
    const { id } = this.location;
    const objects = this.handle;
    const packsRemoved = async (): Promise<void> => {
      for (const handle of this.#handles) handle.refresh();
    };
    const options = {
      id,
      gitDir,
      mode,
      objects,
      maxCommands,
      runHooks,
      fsckRules,
      certificates,
      packsRemoved,
      replication: replication && (() => replication(id)),
    };
    try {
      return await DiskRepository.open(storage, options);
    } catch (error) {
      if (mode === 'owned' || !hasCode(error, 'failed_precondition')) throw error;
      return new DelegatedRepository(storage, gitDir, { runHooks });
    }
  }
}

async function exists(storage: Storage, gitDir: string): Promise<boolean> {
  return (await findGitDirectory(storage.disk, gitDir, () => false)) === gitDir;
}
