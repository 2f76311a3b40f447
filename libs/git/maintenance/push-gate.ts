/**
 * Lets pushes by freely, and lets maintenance have a moment in which none is under way: what a push
 * was told exists must not go before the push has ended.
 */
export class PushGate {
  #inside = 0;
  #closed: Promise<void> | undefined;

  /** Begins a push; waits only while somebody has the moment. Dispose it when the push has ended. */
  async enter(): Promise<Disposable> {
    while (this.#closed !== undefined) await this.#closed;
    this.#inside += 1;
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (!left) this.#inside -= 1;
        left = true;
      },
    };
  }

  /** Runs `work` while no push is under way. Returns false, and does nothing, when one is. */
  async alone(work: () => Promise<void>): Promise<boolean> {
    if (this.#inside > 0 || this.#closed !== undefined) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closed = promise;
    try {
      await work();
      return true;
    } finally {
      this.#closed = undefined;
      resolve();
    }
  }
}
