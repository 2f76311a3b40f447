/** Something that has a turn to take. */
interface Runnable {
  turn(): void;
}

/**
 * Gives every actor that has something to do one turn after the other. Turns run in microtasks, for
 * low latency, but after a slice of them the event loop gets a chance to do its other work: actors
 * that keep each other busy can never hold it.
 */
export class Scheduler {
  readonly #sliceTurns: number;
  readonly #runSlice = (): void => this.#run();
  #ready: Runnable[] = [];
  #turnsLeft: number;
  #scheduled = false;

  constructor(sliceTurns: number) {
    this.#sliceTurns = sliceTurns;
    this.#turnsLeft = sliceTurns;
  }

  /** The runnable's `turn` is called once, soon. */
  add(runnable: Runnable): void {
    this.#ready.push(runnable);
    if (!this.#scheduled) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    if (this.#turnsLeft > 0) return queueMicrotask(this.#runSlice);
    this.#turnsLeft = this.#sliceTurns;
    setImmediate(this.#runSlice);
  }

  #run(): void {
    const batch = this.#ready;
    this.#ready = [];
    for (const runnable of batch) runnable.turn();
    this.#turnsLeft -= batch.length;
    this.#scheduled = false;
    if (this.#ready.length > 0) this.#schedule();
  }
}
