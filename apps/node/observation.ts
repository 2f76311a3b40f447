import type { Observation } from '#graphql';
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
