import { PackhorseError } from '#base';
import type { RefSnapshot } from '#wire';
import { DiskRepository, type DiskRepositoryOptions } from './disk-repository.ts';
import { findGitDirectory } from './git-directory.ts';
import type { ObjectCache, RepositoryCache } from './objects/object-cache.ts';
import { RepositoryObjects } from './objects/repository-objects.ts';
import { SharedHandle } from './pool-handle.ts';
import type { ConcurrencyLimit } from './process/limit.ts';
import type { ReadContext } from './read/context.ts';
import { LastCommits } from './read/last-commits.ts';
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
  readonly certificates: DiskRepositoryOptions['certificates'];
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
  readonly #lastCommits = new LastCommits();
  #opening: Promise<DiskRepository> | undefined;

  constructor(node: PoolNode, location: RepositoryLocation) {
    this.#node = node;
    this.location = location;
    this.#cache = node.cache.of(location.id);
    const { clock, settings } = node.storage;
    this.handle = new SharedHandle({
      open: () => this.openObjects(),
      close: (objects) => this.closeObjects(objects),
      clock,
      idleMs: settings.poolIdleMs,
    });
  }

  /** Throws `not_found` when there is no repository, and `failed_precondition` for one that is not understood. */
  async disk(): Promise<DiskRepository> {
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
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
    const { gitDir } = await this.disk();
    const { git, clock, settings } = this.#node.storage;
    return {
      gitDir,
      objects,
      git,
      clock,
      settings,
      lastCommits: this.#lastCommits,
      blobStreams: this.#node.blobStreams,
      refs: options.refs ?? (() => this.refs()),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
  }

  async #open(): Promise<DiskRepository> {
    const { storage, maxCommands, runHooks, certificates } = this.#node;
    const { path, mode } = this.location;
    const gitDir = mode === 'owned' ? path : await findGitDirectory(storage.disk, path, () => false);
    if (gitDir === undefined || !(await exists(storage, gitDir))) {
      throw new PackhorseError('not_found', 'There is no repository here.', {
        metadata: { id: this.location.id },
      });
    }
    const { id } = this.location;
    const objects = this.handle;
    const options = { id, gitDir, mode, objects, maxCommands, runHooks, certificates };
    return await DiskRepository.open(storage, options);
  }
}

async function exists(storage: Storage, gitDir: string): Promise<boolean> {
  return (await findGitDirectory(storage.disk, gitDir, () => false)) === gitDir;
}
