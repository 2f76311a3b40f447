import {
  actorName,
  type ActorSystem,
  type DynamicSupervisor,
  dynamicSupervisor,
  named,
  supervisor,
  type Supervisor,
  worker,
  type WorkerSpec,
} from '#actor';
import type { Clock, Log, Random, Settings } from '#base';
import type { LocalAgent } from './agent.ts';
import { LocalRepositoryAgent, type OpenPool } from './agent-local.ts';
import { readerBehaviour, type ReaderMessage } from './agent-reader.ts';
import { writerBehaviour, type WriterMessage } from './agent-writer.ts';
import type { MaintenanceCounts } from './maintenance/scheduler.ts';
import { ObjectCache } from './objects/object-cache.ts';
import type { PackCacheCounts } from './pack-cache/pack-cache.ts';
import { type PoolNode, PoolRepository, type RepositoryLocation } from './pool-repository.ts';
import type { GitRunner } from './process/git-runner.ts';
import type { OperatorConfig } from './operator-config.ts';
import { ConcurrencyLimit } from './process/limit.ts';
import { createStorage, type Storage } from './storage.ts';

export interface RepositoryPoolsOptions {
  readonly actors: ActorSystem;
  readonly runner: GitRunner;
  readonly settings: Settings['git'];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ref updates in one push. */
  readonly maxCommands: number;
  /** Runs the hooks of repositories, which are code of whoever made them; off when absent. */
  readonly runHooks?: boolean;
  /** How flaws in pushed objects are judged, such as `missingEmail=ignore`, before the repository's own config. */
  readonly fsckRules?: readonly string[];
  /** Signed pushes to repositories whose own config says nothing of them. */
  readonly certificates?: PoolNode['certificates'];
  /** How the other copies of a repository are reached, by its id; absent where there are none. */
  readonly replication?: PoolNode['replication'] | undefined;
  /** See `Storage`. */
  readonly namespace?: string;
  /** See `Storage`. */
  readonly operatorConfig?: OperatorConfig | undefined;
  /** Hears of a limit that answered instead of the server. */
  readonly onLimit?: (limit: 'producers' | 'archivers' | 'indexers') => void;
  /** Absolute path of the directory for cached packs; without it none are cached. */
  readonly packCachePath?: string;
  /** What a test breaks. */
  readonly storage?: Storage;
}

/** What the pools of a node hold now, for the observer and for metrics. */
export interface PoolCounts {
  readonly pools: number;
  readonly openHandles: number;
  readonly cache: ObjectCache['counts'];
  readonly packs: (PackCacheCounts & { readonly composed: number }) | undefined;
  readonly maintenance: MaintenanceCounts;
  /** What is limited for the whole node, by kind. */
  readonly work: Readonly<
    Record<'producers' | 'indexers' | 'archivers', { readonly running: number; readonly waiting: number }>
  >;
}

type Pool = Supervisor<{
  readonly writer: { readonly spec: WorkerSpec<WriterMessage> };
  readonly readers: { readonly spec: WorkerSpec<ReaderMessage>; readonly instances: number };
}>;

/**
 * All repositories of a node: for each one that is in use a pool of one writer and several readers
 * under a supervisor of its own, so that what crashes in one repository stays there. A pool opens
 * when its agent is asked something and closes when it rests.
 */
export class RepositoryPools {
  readonly #options: RepositoryPoolsOptions;
  readonly #node: PoolNode;
  readonly #pools: DynamicSupervisor<Pool>;
  /** Held by their pools, and by who still works with them when the pool has closed, such as a long fetch. */
  readonly #repositories = new Map<string, WeakRef<PoolRepository>>();
  readonly #collected = new FinalizationRegistry<string>((id) => {
    if (this.#repositories.get(id)?.deref() === undefined) this.#repositories.delete(id);
  });

  constructor(options: RepositoryPoolsOptions) {
    const { actors, runner, settings, clock, random, log, namespace = '', packCachePath } = options;
    const { onLimit, operatorConfig } = options;
    const given = {
      git: runner,
      clock,
      random,
      log,
      namespace,
      ...(onLimit && { onLimit }),
      ...(operatorConfig && { operatorConfig }),
    };
    const parts = packCachePath === undefined ? given : { ...given, packCachePath };
    this.#options = options;
    this.#node = {
      storage: options.storage ?? createStorage(settings, parts),
      cache: new ObjectCache({
        maxBytes: settings.objectCacheBytes,
        maxEntryBytes: settings.objectCacheMaxEntryBytes,
      }),
      blobStreams: new ConcurrencyLimit(settings.maxBlobStreams, settings.maxBlobStreamQueue),
      maxCommands: options.maxCommands,
      runHooks: options.runHooks ?? false,
      fsckRules: options.fsckRules ?? [],
      certificates: options.certificates,
      replication: options.replication,
      openHandles: 0,
    };
    const reader = readerBehaviour(settings.readerMailboxMessages);
    this.#pools = actors.spawn(
      named(
        actorName<DynamicSupervisor<Pool>>('repositories'),
        dynamicSupervisor<Pool>({
          idleMs: settings.poolIdleMs,
          // A transaction that has begun is worth waiting for.
          shutdownMs: settings.gitTimeoutMs,
          child: (id) => {
            const repository = this.#repository(id);
            return supervisor({
              kind: 'repository-pool',
              strategy: 'one-for-one',
              children: {
                writer: { spec: worker(writerBehaviour, repository), shutdownMs: settings.gitTimeoutMs },
                readers: {
                  spec: worker(reader, repository),
                  instances: Math.max(1, settings.readersPerRepository),
                },
              },
            });
          },
        }),
      ),
    );
  }

  /** The agent of the repository there. Costs nothing; whether there is a repository shows with the first question. */
  agent(location: RepositoryLocation): LocalAgent {
    const { readTimeoutMs, gitTimeoutMs } = this.#options.settings;
    return new LocalRepositoryAgent({
      id: location.id,
      pool: () => this.#pool(location),
      readTimeoutMs,
      writeTimeoutMs: gitTimeoutMs,
    });
  }

  /** Closes the pool of a repository after what it is doing, so that its directory can be moved or removed. */
  async close(id: string): Promise<void> {
    const gitDir = this.#repositories.get(id)?.deref()?.location.path;
    if (gitDir !== undefined) this.#node.storage.maintenance.forget(gitDir);
    await this.#pools.running(id)?.stop({ drain: true });
    this.#repositories.delete(id);
    await this.#node.storage.packCache?.forget(id);
    await this.#node.storage.composer?.forgetRepository(id);
  }

  /** Starts nothing new, lets what runs end, and closes all pools; after `timeoutMs` they are cut off. */
  async drain(timeoutMs: number): Promise<void> {
    await Promise.all([
      this.#node.storage.maintenance.stop(),
      this.#pools.stop({ reason: 'shutdown', drain: true, timeoutMs }),
    ]);
    await this.#node.storage.composer?.close();
    await this.#node.storage.packCache?.close();
  }

  get counts(): PoolCounts {
    const { packCache, composer, producers, indexers, archivers } = this.#node.storage;
    return {
      pools: [...this.#pools.keys].filter((id) => this.#pools.running(id) !== undefined).length,
      openHandles: this.#node.openHandles,
      cache: this.#node.cache.counts,
      packs: packCache && { ...packCache.counts, composed: composer?.served ?? 0 },
      maintenance: this.#node.storage.maintenance.counts,
      work: { producers, indexers, archivers },
    };
  }

  #pool(location: RepositoryLocation): OpenPool {
    const { id } = location;
    let repository = this.#repositories.get(id)?.deref();
    if (repository === undefined) {
      repository = new PoolRepository(this.#node, location);
      this.#repositories.set(id, new WeakRef(repository));
      this.#collected.register(repository, id);
    }
    const pool = this.#pools.child(id);
    return { repository, reader: pool.child('readers'), writer: pool.child('writer') };
  }

  /** Called while a pool starts, for which `#pool` has it at hand. */
  #repository(id: string): PoolRepository {
    const repository = this.#repositories.get(id)?.deref();
    if (repository === undefined) throw new TypeError('A pool was started without its repository.');
    return repository;
  }
}
