import type { Clock } from '#base';
import type { LeaseEntry } from './lease-store.ts';

/** Which keys have not been written for a time, by this node's own clock: only what was looked at twice can be. */
export class Stillness {
  readonly #clock: Clock;
  readonly #stillMs: number;
  readonly #seen = new Map<string, { readonly entry: LeaseEntry; readonly sinceMs: number }>();

  constructor(clock: Clock, stillMs: number) {
    this.#clock = clock;
    this.#stillMs = stillMs;
  }

  /** Call it right after reading the entry. */
  isStill(entry: LeaseEntry): boolean {
    const nowMs = this.#clock.monotonicMs();
    const seen = this.#seen.get(entry.key);
    // A store that lost its data counts anew, so the same revision need not be the same write.
    if (seen?.entry.revision === entry.revision && seen.entry.value === entry.value) {
      return nowMs - seen.sinceMs >= this.#stillMs;
    }
    this.#seen.set(entry.key, { entry, sinceMs: nowMs });
    return false;
  }

  clear(key?: string): void {
    if (key === undefined) this.#seen.clear();
    else this.#seen.delete(key);
  }
}
