/** What buffers hold that are let go between two collections, at most. */
const bytesPerCollection = 4 * 1024 * 1024;

/**
 * Counts what passes through in buffers that live for a moment, and has them freed in time. Left alone
 * they become so many before the young generation is full that the whole heap is collected for them,
 * again and again, which costs a stream more than everything else; and memory that was taken for so
 * many at once is not given back. Collecting the young generation alone takes a millisecond.
 */
export class PassingBuffers {
  #uncollectedBytes = 0;

  passed(sizeBytes: number): void {
    this.#uncollectedBytes += sizeBytes;
    if (this.#uncollectedBytes < bytesPerCollection) return;
    this.#uncollectedBytes = 0;
    // There when Node was started with --expose-gc, as the launcher does it.
    globalThis.gc?.({ type: 'minor' });
  }
}
