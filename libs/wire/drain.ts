import type { ByteStream, Clock, Settings } from '#base';

/**
 * Reads and forgets what a client still sends after it was answered: closing at once could take the
 * answer away from a client that reads only when it has written. Ends with the input, or at a limit.
 */
export async function drain(
  input: ByteStream,
  clock: Clock,
  settings: Pick<Settings['wire'], 'maxDrainBytes' | 'drainTimeoutMs'>,
): Promise<void> {
  const timedOut = Promise.withResolvers<'timeout'>();
  const cancel = clock.after(settings.drainTimeoutMs, () => timedOut.resolve('timeout'));
  const iterator = input[Symbol.asyncIterator]();
  try {
    let drainedBytes = 0;
    while (drainedBytes <= settings.maxDrainBytes) {
      const next = await Promise.race([iterator.next(), timedOut.promise]);
      if (next === 'timeout' || next.done === true) return;
      drainedBytes += next.value.length;
    }
  } catch {
    // The client is gone: there is nobody left to be polite to.
  } finally {
    cancel();
  }
}
