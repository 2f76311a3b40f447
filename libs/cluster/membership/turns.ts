import type { Clock } from '#base';

/** Runs a task again and again, never twice at once: `periodMs` after it began, or at once when it took longer. */
export class Turns {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #task: () => Promise<void>;
  #isRunning = false;
  #isStopped = false;
  #isWanted = false;
  #cancel: (() => void) | undefined;
  #turn: Promise<void> = Promise.resolve();

  /** `task` does not throw. */
  constructor(clock: Clock, periodMs: number, task: () => Promise<void>) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#task = task;
  }

  start(): void {
    this.soon();
  }

  /** Runs it at once, or once more if it is running; resolves when that has been done. */
  async now(): Promise<void> {
    this.soon();
    while (this.#isRunning) await this.#turn;
  }

  soon(): void {
    if (this.#isStopped) return;
    if (this.#isRunning) this.#isWanted = true;
    else this.#turn = this.#run();
  }

  /** Resolves when it is not running any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#turn;
  }

  async #run(): Promise<void> {
    this.#cancel?.();
    this.#isRunning = true;
    const startedMs = this.#clock.monotonicMs();
    do {
      this.#isWanted = false;
      await this.#task();
    } while (this.#isWanted && !this.#isStopped);
    this.#isRunning = false;
    if (this.#isStopped) return;
    const restMs = Math.max(0, startedMs + this.#periodMs - this.#clock.monotonicMs());
    this.#cancel = this.#clock.after(restMs, () => this.soon());
  }
}
