/**
 * Remembers answers while the running callback of the event loop, with all its microtasks, lasts.
 * Whoever asks in that time asked before the answer was found out, or together with the first who
 * did: nothing can have come in from outside since. So what has to reflect the disk at the time of a
 * request may be looked up once for all requests that are answered together.
 */
export class TurnMemo<Key, Value> {
  readonly #values = new Map<Key, Value>();
  readonly #end = (): void => this.forget();

  /** What `find` answered in this turn. What it throws is not remembered. */
  get(key: Key, find: () => Value): Value {
    const known = this.#values.get(key);
    if (known !== undefined || this.#values.has(key)) return known as Value;
    const value = find();
    // Ticks run when no microtask is left.
    if (this.#values.size === 0) process.nextTick(this.#end);
    this.#values.set(key, value);
    return value;
  }

  /** Ends the turn early, because what was remembered is changed. */
  forget(): void {
    this.#values.clear();
  }
}
