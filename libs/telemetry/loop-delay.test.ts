import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '#base';
import { waitUntil } from '#test/wait';
import { watchLoopDelay } from './loop-delay.ts';

test('a held event loop shows as delay', async () => {
  const watch = watchLoopDelay(1_000, silentLog);
  try {
    assert.deepEqual(watch.recent, { p99Ms: 0, maxMs: 0 });
    // The watch measures between two ticks of its own, so it has to have ticked before.
    await waitUntil('the delay of a loop that was held is seen', () => {
      const begin = performance.now();
      while (performance.now() - begin < 200);
      return watch.recent.maxMs > 100;
    });
    assert.ok(watch.recent.p99Ms <= watch.recent.maxMs);
  } finally {
    watch.end();
  }
});
