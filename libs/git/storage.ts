import { dirname, join } from 'node:path';
import {
  type Clock,
  type Log,
  type Random,
  type Settings,
  silentLog,
  systemClock,
  systemRandom,
} from '#base';
import type { OperatorConfig } from './operator-config.ts';
import { PackCache } from './pack-cache/pack-cache.ts';
import { PackComposer } from './packs/pack-composer.ts';
import { GitRunner } from './process/git-runner.ts';
import { MaintenanceScheduler } from './maintenance/scheduler.ts';
import { ConcurrencyLimit } from './process/limit.ts';
import { MemoryBudget } from './process/memory-budget.ts';
import { type Disk, systemDisk } from './volume/disk.ts';

/** What all repositories of a node share: the git program, the disk, and the limits that count for the whole node. */
export interface Storage {
  readonly git: GitRunner;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: Settings['git'];
  /** What the names of all refs that are served begin with on disk (gitnamespaces), in `shared` repositories. */
  readonly namespace: string;
  /** The config that counts before that of each `shared` repository; absent: there is none. */
  readonly operatorConfig?: OperatorConfig;
  /** When this server began: what is older belongs to one that is gone. */
  readonly startedAtMs: number;
  /** Running `git pack-objects` processes. */
  readonly producers: ConcurrencyLimit;
  /** Running `git upload-archive` processes. */
  readonly archivers: ConcurrencyLimit;
  /** Pushes being indexed and checked. */
  readonly indexers: ConcurrencyLimit;
  /** Memory of pushed packs that need no indexer. */
  readonly smallPacks: MemoryBudget;
  /** Absent where no directory was given for it. */
  readonly packCache?: PackCache;
  readonly maintenance: MaintenanceScheduler;
  /** Goes with the cache, where it keeps what it makes. */
  readonly composer?: PackComposer;
  /** Where bundles that were offered are remembered. */
  readonly bundlesPath?: string;
}

interface StorageParts extends Pick<Storage, 'git' | 'disk' | 'clock' | 'random' | 'log' | 'namespace'> {
  /** Absolute path of the directory for cached packs. */
  readonly packCachePath: string;
  readonly operatorConfig: OperatorConfig;
  /** Hears of a limit that answered instead of the server. */
  readonly onLimit: (limit: 'producers' | 'archivers' | 'indexers') => void;
}

/** The storage of a node; the parts that tests break can be replaced. */
export function createStorage(settings: Settings['git'], parts: Partial<StorageParts> = {}): Storage {
  const { clock = systemClock, disk = systemDisk, random = systemRandom, log = silentLog } = parts;
  const path = parts.packCachePath;
  const shares = {
    maxPerRepository: settings.maxWorkPerRepository,
    maxPerUser: settings.maxWorkPerUser,
    maxPerAddress: settings.maxWorkPerAddress,
    maxWaitingOfEach: settings.maxWaitingWork,
    maxWaitMs: settings.maxWorkWaitMs,
  };
  const limit = (
    name: Parameters<StorageParts['onLimit']>[0],
    maxRunning: number,
    maxWaiting: number,
  ): ConcurrencyLimit =>
    new ConcurrencyLimit(maxRunning, maxWaiting, shares, clock, () => parts.onLimit?.(name));
  const indexers = limit('indexers', settings.maxIndexers, settings.maxIndexerQueue);
  const storage: Storage = {
    git: parts.git ?? new GitRunner({ timeoutMs: settings.gitTimeoutMs }),
    disk,
    clock,
    random,
    log,
    settings,
    namespace: parts.namespace ?? '',
    ...(parts.operatorConfig && { operatorConfig: parts.operatorConfig }),
    startedAtMs: clock.nowMs(),
    producers: limit('producers', settings.maxPackProducers, settings.maxPackProducerQueue),
    archivers: limit('archivers', settings.maxArchivers, settings.maxArchiverQueue),
    indexers,
    smallPacks: new MemoryBudget(settings.smallPackMemoryBytes),
    maintenance: new MaintenanceScheduler(settings, { clock, log, isBusy: () => indexers.running > 0 }),
  };
  if (path === undefined) return storage;
  const packCache = new PackCache({ path, settings, disk, clock, random, log });
  return {
    ...storage,
    packCache,
    composer: new PackComposer(storage, packCache, join(dirname(path), 'bases')),
    bundlesPath: join(dirname(path), 'bundles'),
  };
}
