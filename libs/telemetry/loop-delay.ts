import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Log } from '#base';

const windowMs = 10_000;
const resolutionMs = 20;

/** How long work waited for the event loop. */
export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoopDelayWatch {
  /** Of the current ten seconds and the ten before. */
  readonly recent: LoopDelay;
  /** The share of time, from 0 to 1, that the event loop was busy since it was last asked. */
  utilization(): number;
  end(): void;
}

/**
 * Watches how long the event loop is held, since everybody shares it: warns when the 99th
 * percentile of ten seconds is above `alarmMs`.
 */
export function watchLoopDelay(alarmMs: number, log: Log): LoopDelayWatch {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  // What is recorded is the time between two ticks of a timer, its own interval included.
  const delayMs = (nanoseconds: number): number => Math.max(0, Math.round(nanoseconds / 1e6 - resolutionMs));
  const current = (): LoopDelay => ({
    p99Ms: delayMs(histogram.percentile(99)),
    maxMs: delayMs(histogram.max),
  });
  let asked = performance.eventLoopUtilization();
  let before: LoopDelay = { p99Ms: 0, maxMs: 0 };
  const timer = setInterval(() => {
    before = current();
    if (before.p99Ms > alarmMs) log.warn('the event loop is held too long', { ...before, alarmMs });
    histogram.reset();
  }, windowMs);
  timer.unref();
  return {
    get recent() {
      const now = current();
      return { p99Ms: Math.max(now.p99Ms, before.p99Ms), maxMs: Math.max(now.maxMs, before.maxMs) };
    },
    utilization() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, asked);
      asked = now;
      return Math.round(utilization * 100) / 100;
    },
    end() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
