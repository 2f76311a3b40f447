import type { Clock } from '#base';
import type { ExitReason } from './exit.ts';
import { isAbnormal } from './exit.ts';

/** When a child that ended is started again: always, after abnormal exits only, or never. */
export type RestartKind = 'permanent' | 'transient' | 'temporary';

export function wantsRestart(kind: RestartKind, reason: ExitReason): boolean {
  return kind === 'permanent' || (kind === 'transient' && isAbnormal(reason));
}

/** More than `maxRestarts` restarts within `windowMs` mean that restarting does not help. */
export interface RestartLimit {
  readonly maxRestarts: number;
  readonly windowMs: number;
}

/** The restarts of the recent past. */
export class RestartHistory {
  readonly #clock: Clock;
  readonly #limit: RestartLimit;
  #timesMs: number[] = [];

  constructor(clock: Clock, limit: RestartLimit) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Notes one more restart; false when that is one too many. */
  allow(): boolean {
    const nowMs = this.#clock.nowMs();
    this.#timesMs = this.#timesMs.filter((timeMs) => nowMs - timeMs < this.#limit.windowMs);
    this.#timesMs.push(nowMs);
    return this.#timesMs.length <= this.#limit.maxRestarts;
  }
}
