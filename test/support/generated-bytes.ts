import { createCipheriv, createHash, type Cipheriv } from 'node:crypto';

/**
 * Deterministic pseudo-random numbers and bytes from a seed (AES-128 in counter mode), so that a
 * generated repository is the same everywhere. The bytes do not compress.
 */
export class SeededRandom {
  readonly #cipher: Cipheriv;
  #pool: Buffer = Buffer.alloc(0);

  constructor(seed: number | string) {
    const key = createHash('sha256').update(`packhorse ${seed}`).digest();
    this.#cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16));
  }

  bytes(lengthBytes: number): Buffer {
    return this.#cipher.update(Buffer.alloc(lengthBytes));
  }

  /** A whole number from 0 to `limit` - 1; `limit` is at most 2^32. */
  below(limit: number): number {
    if (this.#pool.length < 4) this.#pool = this.bytes(4096);
    const value = this.#pool.readUInt32LE(0);
    this.#pool = this.#pool.subarray(4);
    return Math.floor((value / 2 ** 32) * limit);
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** True in one of `n` cases. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
}
