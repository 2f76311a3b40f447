import { statfsSync } from 'node:fs';
import type { Membership } from '#cluster';
import type { Observation } from '#graphql';
import type { Volume } from '#git';
import type { Metrics } from '#telemetry';
import type { NodeContext } from './node-context.ts';

/** What the node is doing now, for its administrators. */
export function observation({
  actors,
  pools,
  loopDelay,
}: Pick<NodeContext, 'actors' | 'pools' | 'loopDelay'>): Observation {
  const { pools: open, openHandles, cache } = pools.counts;
  return {
    totals: actors.totals,
    repositories: { pools: open, openHandles, cacheBytes: cache.sizeBytes },
    memory: process.memoryUsage(),
    loopDelay: loopDelay.recent,
    actors: () => actors.observe(),
  };
}

/** How full the disk of a volume is. */
export function observeVolume(metrics: Metrics, { path }: Pick<Volume, 'path'>): void {
  metrics.observe('packhorse_volume_size_bytes', 'Size of the disk that the volume is on.', () => {
    const { bsize, blocks } = statfsSync(path);
    return bsize * blocks;
  });
  metrics.observe('packhorse_volume_free_bytes', 'What is free on the disk of the volume.', () => {
    const { bsize, bavail } = statfsSync(path);
    return bsize * bavail;
  });
}

/** What this node knows of its cluster. */
export function observeMembership(metrics: Metrics, membership: Membership): void {
  metrics.observe(
    'packhorse_cluster_nodes',
    'Nodes of the cluster that this one takes for alive, itself too.',
    () => membership.nodes().filter(({ isAlive }) => isAlive).length,
  );
  metrics.observe('packhorse_cluster_lease_held', 'Whether this node holds its lease: 1 or 0.', () =>
    Number(membership.isLeaseHeld()),
  );
}
