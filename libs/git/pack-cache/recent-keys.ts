import type { Clock } from '#base';

/** Which keys were seen within a window of time, at most so many of them. */
export class RecentKeys {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #maxEntries: number;
  /** Oldest first. */
  readonly #seenAtMs = new Map<string, number>();

  constructor(clock: Clock, windowMs: number, maxEntries: number) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#maxEntries = maxEntries;
  }

  /** Whether `key` was seen lately; from now on it was. */
  sawBefore(key: string): boolean {
    const nowMs = this.#clock.nowMs();
    const beforeMs = this.#seenAtMs.get(key);
    this.#seenAtMs.delete(key);
    this.#seenAtMs.set(key, nowMs);
    const [oldest] = this.#seenAtMs.keys();
    if (this.#seenAtMs.size > this.#maxEntries && oldest !== undefined) this.#seenAtMs.delete(oldest);
    return beforeMs !== undefined && nowMs - beforeMs <= this.#windowMs;
  }
}
