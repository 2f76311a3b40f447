import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { PackhorseError, readChunks } from '#base';

const decoders: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
]);

/** True when a body with this `Content-Encoding` (RFC 9110, 8.4) can be read. */
export function canDecode(encoding: string | undefined): boolean {
  return isIdentity(encoding) || decoders.has(encoding?.toLowerCase() ?? '');
}

function isIdentity(encoding: string | undefined): boolean {
  return encoding === undefined || encoding === '' || encoding.toLowerCase() === 'identity';
}

/**
 * The request's body as it arrives, inflated on the way; never more than a few chunks of it are in
 * memory, however small it was packed. Disposing it leaves the rest of the request unread.
 */
export class RequestBody implements AsyncDisposable {
  /** Throws `invalid_argument` when the body cannot be inflated, `cancelled` when the client is gone. */
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>;
  readonly #over = new AbortController();

  constructor(request: IncomingMessage, signal: AbortSignal) {
    const reading = AbortSignal.any([signal, this.#over.signal]);
    const decode = decoders.get(request.headers['content-encoding']?.toLowerCase() ?? '');
    this.chunks = decode === undefined ? readChunks(request, reading) : inflate(request, decode(), reading);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Wakes a read that was left pending: a generator only returns between two reads.
    this.#over.abort();
    await this.chunks.return().catch(() => undefined);
  }
}

async function* inflate(
  request: IncomingMessage,
  inflater: Transform,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  request.pipe(inflater);
  try {
    yield* readChunks(inflater, signal);
  } catch (thrown) {
    if (!isInflateError(thrown)) throw thrown;
    throw new PackhorseError('invalid_argument', 'The request body is not compressed as its header says.', {
      cause: thrown,
    });
  } finally {
    request.unpipe(inflater);
    inflater.destroy();
  }
}

function isInflateError(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('Z_');
}
