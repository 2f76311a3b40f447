import type { Clock } from '#base';

/** Calls `onStall` once nothing was reported as moved for `timeoutMs`. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onStall: () => void;
  #movedAtMs: number;
  #cancel: () => void;

  constructor(clock: Clock, timeoutMs: number, onStall: () => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onStall = onStall;
    this.#movedAtMs = clock.nowMs();
    this.#cancel = clock.after(timeoutMs, () => this.#check());
  }

  /** Something moved. Cheap: it only notes the time. */
  moved(): void {
    this.#movedAtMs = this.#clock.nowMs();
  }

  stop(): void {
    this.#cancel();
  }

  #check(): void {
    const restMs = this.#movedAtMs + this.#timeoutMs - this.#clock.nowMs();
    if (restMs <= 0) this.#onStall();
    else this.#cancel = this.#clock.after(restMs, () => this.#check());
  }
}
