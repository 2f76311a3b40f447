import { LRUCache } from 'lru-cache';
import type { Clock } from '#base';

interface Entry<Value> {
  readonly value: Value;
  readonly untilMs: number;
}

export interface Loaded<Value> {
  readonly value: Value;
  /** When the value ends by itself, if before the cache's own time. */
  readonly expiresAtMs?: number | undefined;
}

/**
 * Remembers for a short time what was read. Concurrent reads of one key share one load; what is
 * absent is not remembered; and a load that was under way while something was forgotten is not kept,
 * so a change made here is never hidden by what was read before it.
 */
export class ReadThroughCache<Value> {
  readonly #entries: LRUCache<string, Entry<Value>>;
  readonly #pending = new Map<string, Promise<Value | undefined>>();
  readonly #lifetimeMs: number;
  readonly #clock: Clock;
  #changes = 0;

  constructor(options: { readonly maxEntries: number; readonly lifetimeMs: number; readonly clock: Clock }) {
    this.#entries = new LRUCache({ max: Math.max(1, options.maxEntries) });
    this.#lifetimeMs = options.lifetimeMs;
    this.#clock = options.clock;
  }

  /** The remembered value, or what `load` finds; undefined when it finds nothing. */
  async read(key: string, load: () => Promise<Loaded<Value> | undefined>): Promise<Value | undefined> {
    const entry = this.#entries.get(key);
    if (entry !== undefined && this.#clock.nowMs() < entry.untilMs) return entry.value;
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const loading = this.#load(key, load);
    this.#pending.set(key, loading);
    try {
      return await loading;
    } finally {
      if (this.#pending.get(key) === loading) this.#pending.delete(key);
    }
  }

  async #load(key: string, load: () => Promise<Loaded<Value> | undefined>): Promise<Value | undefined> {
    const changesBefore = this.#changes;
    const loaded = await load();
    if (loaded !== undefined && this.#changes === changesBefore) {
      const untilMs = Math.min(this.#clock.nowMs() + this.#lifetimeMs, loaded.expiresAtMs ?? Infinity);
      this.#entries.set(key, { value: loaded.value, untilMs });
    }
    return loaded?.value;
  }

  /** Forgets what matches, at once, and whatever is being read right now. */
  forget(matches: (value: Value, key: string) => boolean = () => true): void {
    this.#changes += 1;
    this.#pending.clear();
    for (const [key, { value }] of this.#entries.entries()) {
      if (matches(value, key)) this.#entries.delete(key);
    }
  }
}
