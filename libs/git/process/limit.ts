import { PackhorseError } from '#base';

interface Waiter {
  readonly start: (lease: Disposable) => void;
}

/** So many at once, so many waiting in line, and an answer for everyone past that. First come, first served. */
export class ConcurrencyLimit {
  readonly #maxRunning: number;
  readonly #maxWaiting: number;
  #running = 0;
  readonly #waiting = new Set<Waiter>();

  constructor(maxRunning: number, maxWaiting: number) {
    this.#maxRunning = maxRunning;
    this.#maxWaiting = maxWaiting;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when it is the caller's turn; dispose the lease to let the next one in.
   * Throws `unavailable` when the line is full and `cancelled` when `signal` aborts the wait.
   */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    if (signal?.aborted === true) throw new PackhorseError('cancelled', 'The operation was cancelled.');
    if (this.#running < this.#maxRunning) return this.#lease();
    if (this.#waiting.size >= this.#maxWaiting) {
      throw new PackhorseError('unavailable', 'The server is busy, try again in a moment.', {
        metadata: { running: this.#running, waiting: this.#waiting.size },
      });
    }
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        reject(new PackhorseError('cancelled', 'The operation was cancelled.'));
      };
      const waiter: Waiter = {
        start: (lease) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(lease);
        },
      };
      this.#waiting.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #lease(): Disposable {
    this.#running += 1;
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        this.#running -= 1;
        const [next] = this.#waiting;
        if (next === undefined) return;
        this.#waiting.delete(next);
        next.start(this.#lease());
      },
    };
  }
}
