import type { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import { PackhorseError } from './errors.ts';

/** Why an aborted `signal` was aborted, as an error that may cross rooms. */
export function abortError(signal: AbortSignal): PackhorseError {
  if (signal.reason instanceof PackhorseError) return signal.reason;
  return new PackhorseError('cancelled', 'The other side went away.', { cause: signal.reason });
}

/**
 * Waits for an operation that answers through callbacks: `start` begins it. Rejects as soon as
 * `signal` is aborted, whether or not the operation ever answers.
 */
export async function orAbort(
  signal: AbortSignal,
  start: (done: () => void, failed: (thrown: unknown) => void) => void,
): Promise<void> {
  if (signal.aborted) throw abortError(signal);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(abortError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    start(resolve, reject);
    await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Resolves at the first of `events`, or when the function that `onWaiting` is given is called;
 * rejects at `error` or an abort. Leaves no listener behind.
 */
export async function eventOf(
  emitter: EventEmitter,
  events: readonly string[],
  signal: AbortSignal,
  onWaiting?: (stop: () => void) => void,
): Promise<void> {
  const listeners: [event: string, listener: (thrown: unknown) => void][] = [];
  try {
    await orAbort(signal, (done, failed) => {
      listeners.push(...events.map((event): (typeof listeners)[number] => [event, done]), ['error', failed]);
      for (const [event, listener] of listeners) emitter.once(event, listener);
      onWaiting?.(done);
    });
  } finally {
    for (const [event, listener] of listeners) emitter.removeListener(event, listener);
  }
}

/**
 * The chunks of a Node stream as they arrive; not pulling stops the sender. Throws what the stream
 * fails with, the reason of `signal` when that is aborted, and `cancelled` when the stream is
 * closed before its end. Leaving the loop, or calling `return`, leaves the stream open, so that
 * somebody else can read on; it also ends a read that is waiting for its chunk.
 */
export function readChunks(source: Readable, signal: AbortSignal): ChunkReader {
  return new ChunkReader(source, signal);
}

/** What is handed out at once. */
const maxChunkBytes = 64 * 1024;

/** What `readChunks` returns. Not a generator, which can only be left between two reads. */
export class ChunkReader implements AsyncIterableIterator<Uint8Array, undefined, undefined> {
  readonly #source: Readable;
  readonly #signal: AbortSignal;
  #isLeft = false;
  #wake: () => void = () => undefined;
  #readBytes = 0;

  constructor(source: Readable, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  /** Bytes handed out so far. */
  get readBytes(): number {
    return this.#readBytes;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const source = this.#source;
    while (!this.#isLeft) {
      if (this.#signal.aborted) throw abortError(this.#signal);
      // Without a size it would be everything that waits, copied into one piece.
      const chunk: unknown =
        source.readableLength > maxChunkBytes ? source.read(maxChunkBytes) : source.read();
      if (chunk instanceof Uint8Array) {
        this.#readBytes += chunk.length;
        return { done: false, value: chunk };
      }
      if (source.readableEnded) break;
      if (source.destroyed) {
        throw source.errored ?? new PackhorseError('cancelled', 'The other side went away.');
      }
      await eventOf(source, ['readable', 'end', 'close'], this.#signal, (stop) => (this.#wake = stop));
    }
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#isLeft = true;
    this.#wake();
    return Promise.resolve({ done: true, value: undefined });
  }
}
