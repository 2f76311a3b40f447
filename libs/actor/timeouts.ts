import type { Clock } from '#base';

/** Something that waits in a `Timeouts`; `dueMs` is kept by it. */
export interface Waiting {
  dueMs: number;
}

/** Entries that all wait equally long are due in the order they came, so one timer serves any number of them. */
class Lane<Entry extends Waiting> {
  readonly entries = new Set<Entry>();
  armed = false;
}

/**
 * Timeouts for very many entries: adding and removing one costs a set operation, and there is one
 * timer per distinct delay instead of one per entry.
 */
export class Timeouts<Entry extends Waiting> {
  readonly #clock: Clock;
  readonly #onDue: (entry: Entry) => void;
  readonly #lanes = new Map<number, Lane<Entry>>();

  constructor(clock: Clock, onDue: (entry: Entry) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Starts the entry's wait, or starts it anew. */
  add(entry: Entry, delayMs: number): void {
    let lane = this.#lanes.get(delayMs);
    if (lane === undefined) {
      lane = new Lane();
      this.#lanes.set(delayMs, lane);
    }
    entry.dueMs = this.#clock.nowMs() + delayMs;
    lane.entries.delete(entry);
    lane.entries.add(entry);
    if (!lane.armed) this.#arm(lane, delayMs, delayMs);
  }

  remove(entry: Entry, delayMs: number): void {
    this.#lanes.get(delayMs)?.entries.delete(entry);
  }

  #arm(lane: Lane<Entry>, delayMs: number, waitMs: number): void {
    lane.armed = true;
    this.#clock.after(waitMs, () => this.#fire(lane, delayMs));
  }

  #fire(lane: Lane<Entry>, delayMs: number): void {
    const nowMs = this.#clock.nowMs();
    for (const entry of lane.entries) {
      if (entry.dueMs > nowMs) return this.#arm(lane, delayMs, entry.dueMs - nowMs);
      lane.entries.delete(entry);
      this.#onDue(entry);
    }
    lane.armed = false;
    this.#lanes.delete(delayMs);
  }
}
