/** Memory that many share: who would go past it has to do without. Nobody waits. */
export class MemoryBudget {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  lease(): MemoryLease {
    let ownBytes = 0;
    return {
      hold: (bytes) => {
        if (this.#heldBytes - ownBytes + bytes > this.#maxBytes) return false;
        this.#heldBytes += bytes - ownBytes;
        ownBytes = bytes;
        return true;
      },
      [Symbol.dispose]: () => {
        this.#heldBytes -= ownBytes;
        ownBytes = 0;
      },
    };
  }
}

/** One user's part of a budget, given back by disposing it. */
export interface MemoryLease extends Disposable {
  /** Sets what this user holds. False, and nothing is changed, when that would be too much for all together. */
  hold(bytes: number): boolean;
}
