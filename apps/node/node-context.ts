import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ActorSystem } from '#actor';
import {
  readSettings,
  systemClock,
  systemRandom,
  type Clock,
  type Log,
  type Random,
  type Settings,
} from '#base';
import { SessionLimits, type SessionContext } from '#gateway';
import { GitRunner, namespacePrefix, operatorConfig, RepositoryPools } from '#git';
import { createLog, type LoopDelayWatch, Metrics, watchLoopDelay } from '#telemetry';
import type { NodeOptions } from './options.ts';
import { loadOrCreatePushSeed } from './push-seed.ts';
import { version } from './version.ts';

/** What both kinds of node, with accounts and with `--root`, are made of. */
export interface NodeContext {
  readonly options: NodeOptions;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly actors: ActorSystem;
  readonly runner: GitRunner;
  readonly pools: RepositoryPools;
  readonly limits: SessionLimits;
  readonly loopDelay: LoopDelayWatch;
  readonly session: SessionContext;
  /** Ends what does not end by itself. */
  readonly close: () => Promise<void>;
}

export function createNodeContext(
  options: NodeOptions,
  environment: Readonly<Record<string, string | undefined>>,
): NodeContext {
  const settings = readSettings(environment);
  const clock = systemClock;
  const random = systemRandom;
  const log = createLog({
    level: options.logLevel,
    fields: { node: options.nodeName, region: options.region },
  });
  const metrics = new Metrics();
  const actors = new ActorSystem({ clock, log, settings: settings.actor });
  const runner = new GitRunner({ timeoutMs: settings.git.gitTimeoutMs });
  const pools = new RepositoryPools({
    actors,
    runner,
    settings: settings.git,
    maxCommands: settings.wire.maxCommands,
    runHooks: options.hooks,
    fsckRules: options.fsck,
    certificates: certificatePolicy(options, settings, random),
    clock,
    random,
    log,
    namespace: namespacePrefix(options.root === undefined ? undefined : options.namespace),
    operatorConfig: options.root === undefined ? undefined : operatorConfig(environment),
    onLimit: (limit) => metrics.limitsReached.inc({ limit }),
    packCachePath: join(cacheDirectory(options, environment), 'packs'),
  });
  const limits = new SessionLimits(settings.node, metrics);
  const loopDelay = watchLoopDelay(settings.node.loopDelayAlarmMs, log);
  observeNode(metrics, { actors, pools, limits });
  return {
    options,
    settings,
    clock,
    random,
    log,
    metrics,
    actors,
    runner,
    pools,
    limits,
    loopDelay,
    session: { settings: settings.wire, agentName: `packhorse/${version}`, clock, log, metrics },
    close: async () => {
      await pools.drain(settings.node.drainTimeoutMs);
      await actors.drain(settings.node.drainTimeoutMs);
      loopDelay.end();
    },
  };
}

/** Without accounts there need not be a data directory, and the served tree is not ours to write to. */
function cacheDirectory(
  { cacheDir, root, dataDir }: NodeOptions,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (cacheDir !== undefined) return resolve(cacheDir);
  if (root === undefined) return resolve(dataDir, 'cache');
  return resolve(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'packhorse');
}

/** Signed pushes are accepted everywhere; below a root each repository says for itself. */
function certificatePolicy(
  { root, dataDir }: NodeOptions,
  { git }: Settings,
  random: Random,
): { readonly nonceSeed: string; readonly nonceSlopSeconds: number } | undefined {
  if (root !== undefined) return undefined;
  const nonceSeed = loadOrCreatePushSeed(join(resolve(dataDir), 'push-seed'), random);
  return { nonceSeed, nonceSlopSeconds: Math.floor(git.certificateSlopMs / 1000) };
}

function observeNode(
  metrics: Metrics,
  { actors, pools, limits }: Pick<NodeContext, 'actors' | 'pools' | 'limits'>,
): void {
  metrics.observe('packhorse_git_sessions_open', 'Git sessions that hold a place.', () => limits.running);
  metrics.observe('packhorse_actors', 'Live actors.', () => actors.totals.live);
  metrics.observe(
    'packhorse_actor_restarts',
    'Actors started again after a crash.',
    () => actors.totals.restarted,
  );
  metrics.observe('packhorse_repository_pools', 'Repositories that are open.', () => pools.counts.pools);
  for (const [name, help, read] of packCacheGauges) {
    metrics.observe(`packhorse_pack_cache_${name}`, help, () => {
      const { packs } = pools.counts;
      return packs === undefined ? 0 : read(packs);
    });
  }
  for (const kind of ['producers', 'indexers', 'archivers'] as const) {
    for (const state of ['running', 'waiting'] as const) {
      metrics.observe(
        `packhorse_${kind}_${state}`,
        `Git ${kind} that are ${state}.`,
        () => pools.counts.work[kind][state],
      );
    }
  }
  const maintenance = (): typeof pools.counts.maintenance => pools.counts.maintenance;
  metrics.observe(
    'packhorse_maintenance_running',
    'Repositories that are being maintained.',
    () => maintenance().running,
  );
  metrics.observe(
    'packhorse_maintenance_waiting',
    'Repositories that are going to be looked after.',
    () => maintenance().waiting,
  );
  metrics.observe(
    'packhorse_maintenance_succeeded',
    'Runs of maintenance that ended well.',
    () => maintenance().succeeded,
  );
  metrics.observe(
    'packhorse_maintenance_failed',
    'Runs of maintenance that failed.',
    () => maintenance().failed,
  );
  metrics.observe('packhorse_repository_handles', 'Open libgit2 handles.', () => pools.counts.openHandles);
}

type PackCounts = NonNullable<RepositoryPools['counts']['packs']>;

const packCacheGauges: readonly (readonly [string, string, (packs: PackCounts) => number])[] = [
  ['hits', 'Packs that were sent from the pack cache.', (packs) => packs.hits],
  ['hit_bytes', 'Bytes of the packs that were found in the pack cache.', (packs) => packs.hitBytes],
  ['misses', 'Packs that were produced and kept.', (packs) => packs.misses],
  ['shared', 'Fetches that followed a pack which was produced for another one.', (packs) => packs.shared],
  [
    'composed',
    'Packs that were sent from a pack of the repository and what is new.',
    (packs) => packs.composed,
  ],
  ['bypassed', 'Packs that were not worth keeping.', (packs) => packs.bypassed],
  ['evictions', 'Packs that made room for others.', (packs) => packs.evictions],
  ['entries', 'Packs in the pack cache.', (packs) => packs.entries],
  ['bytes', 'Disk that the pack cache uses.', (packs) => packs.sizeBytes],
];
