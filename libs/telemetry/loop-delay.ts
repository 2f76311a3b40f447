import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Log } from '#base';

const windowMs = 10_000;

/**
 * Watches how long the event loop is held, since everybody shares it: warns when the 99th
 * percentile of ten seconds is above `alarmMs`. Returns the function that ends the watch.
 */
export function watchLoopDelay(alarmMs: number, log: Log): () => void {
  const histogram = monitorEventLoopDelay({ resolution: 20 });
  histogram.enable();
  const timer = setInterval(() => {
    const p99Ms = histogram.percentile(99) / 1e6;
    if (p99Ms > alarmMs) {
      log.warn('the event loop is held too long', {
        p99Ms: Math.round(p99Ms),
        maxMs: Math.round(histogram.max / 1e6),
        alarmMs,
      });
    }
    histogram.reset();
  }, windowMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    histogram.disable();
  };
}
