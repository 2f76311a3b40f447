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

/** Resolves at the first of `events`; rejects at `error` or an abort. Leaves no listener behind. */
export async function eventOf(
  emitter: EventEmitter,
  events: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const listeners: [event: string, listener: (thrown: unknown) => void][] = [];
  try {
    await orAbort(signal, (done, failed) => {
      listeners.push(...events.map((event): (typeof listeners)[number] => [event, done]), ['error', failed]);
      for (const [event, listener] of listeners) emitter.once(event, listener);
    });
  } finally {
    for (const [event, listener] of listeners) emitter.removeListener(event, listener);
  }
}

/**
 * The chunks of a Node stream as they arrive; not pulling stops the sender. Throws what the stream
 * fails with, the reason of `signal` when that is aborted, and `cancelled` when the stream is
 * closed before its end. Leaving the loop early leaves the stream open, so that somebody else can
 * read on.
 */
export async function* readChunks(
  source: Readable,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    if (signal.aborted) throw abortError(signal);
    const chunk: unknown = source.read();
    if (chunk instanceof Uint8Array) {
      yield chunk;
    } else if (source.readableEnded) {
      return;
    } else if (source.destroyed) {
      throw source.errored ?? new PackhorseError('cancelled', 'The other side went away.');
    } else {
      await eventOf(source, ['readable', 'end', 'close'], signal);
    }
  }
}
