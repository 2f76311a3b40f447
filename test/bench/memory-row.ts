import type { Row } from './row.ts';
import { everywhere } from './row.ts';
import { usageOf } from './server-usage.ts';

/** What each server has before anybody asks it for anything. */
export const memoryAtRest: Row = {
  id: 'memory-at-rest',
  title: 'server at rest',
  transports: everywhere,
  metrics: [{ name: 'memory', unit: 'MiB' }],
  rounds: 1,
  measure: async (contestant) => {
    const { usage } = await usageOf(contestant, () => Promise.resolve());
    return [usage.peakMiB];
  },
};
