import type { Clock } from '#base';
import type { PktWriter } from './pkt-writer.ts';

/**
 * Sends an empty band 1 packet whenever nothing moved for a while, so that no proxy between the
 * client and a long computation gives up (git-config, `uploadpack.keepAlive`).
 */
export class KeepAlive implements Disposable {
  readonly #writer: PktWriter;
  readonly #clock: Clock;
  readonly #afterMs: number;
  #lastMovedMs: number;
  #cancel: () => void = () => undefined;

  constructor(writer: PktWriter, clock: Clock, afterMs: number) {
    this.#writer = writer;
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#lastMovedMs = clock.nowMs();
    if (afterMs > 0) this.#cancel = clock.after(afterMs, () => this.#wake());
  }

  /** Something moved: silence begins anew. */
  touch(): void {
    this.#lastMovedMs = this.#clock.nowMs();
  }

  #wake(): void {
    const silentMs = this.#clock.nowMs() - this.#lastMovedMs;
    const waitMs = this.#afterMs - silentMs;
    if (waitMs <= 0) {
      // A write that fails here fails again in the conversation itself, which then ends it.
      if (!this.#writer.isBusy) this.#writer.keepAlive().catch(() => undefined);
      this.touch();
    }
    this.#cancel = this.#clock.after(waitMs > 0 ? waitMs : this.#afterMs, () => this.#wake());
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }
}
