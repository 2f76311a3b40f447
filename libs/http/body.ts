import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { PackhorseError, readChunks, type ByteStream, type ChunkReader } from '#base';

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
  readonly chunks: ByteStream;
  readonly #request: IncomingMessage;
  readonly #reader: ChunkReader;
  readonly #inflater: Transform | undefined;

  constructor(request: IncomingMessage, signal: AbortSignal) {
    this.#request = request;
    this.#inflater = decoders.get(request.headers['content-encoding']?.toLowerCase() ?? '')?.();
    if (this.#inflater !== undefined) request.pipe(this.#inflater);
    this.#reader = readChunks(this.#inflater ?? request, signal);
    this.chunks = this.#inflater === undefined ? this.#reader : inflated(this.#reader);
  }

  /** True when all of the body was read, which the HTTP parser says a moment later. */
  get isWhole(): boolean {
    const { headers, complete } = this.#request;
    const { readBytes } = this.#reader;
    return complete || (this.#inflater === undefined && Number(headers['content-length']) === readBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.return();
    if (this.#inflater === undefined) return;
    this.#request.unpipe(this.#inflater);
    this.#inflater.destroy();
  }
}

async function* inflated(chunks: ByteStream): ByteStream {
  try {
    yield* chunks;
  } catch (thrown) {
    if (!isInflateError(thrown)) throw thrown;
    throw new PackhorseError('invalid_argument', 'The request body is not compressed as its header says.', {
      cause: thrown,
    });
  }
}

function isInflateError(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('Z_');
}
