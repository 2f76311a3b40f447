import { PackhorseError } from './errors.ts';

/** Bytes as they arrive, in chunks of any size; pulling the next chunk is the back-pressure. */
export type ByteStream = AsyncIterable<Uint8Array>;

/**
 * Where bytes go. `write` takes several chunks as one gathered write and resolves when the sink
 * is ready for more: awaiting it is the back-pressure. Rejects with `cancelled` once the other
 * side is gone. The sink may keep the chunks: do not reuse their memory.
 */
export interface ByteSink {
  write(...chunks: readonly Uint8Array[]): Promise<void>;
  /**
   * Like `write`, but resolves only when the operating system has the chunks, so that their memory
   * can be used again. Not every sink knows when that is.
   */
  writeThrough?(...chunks: readonly Uint8Array[]): Promise<void>;
}

const empty = new Uint8Array(0);

/** Reads exact lengths out of a stream whose chunks fall anywhere. Copies only across chunk borders. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = empty;
  #ended = false;

  constructor(source: ByteStream) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next non-empty chunk or undefined at the end; leaves it unconsumed. */
  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0 && !this.#ended) {
      const next = await this.#source.next();
      if (next.done === true) this.#ended = true;
      else this.#chunk = next.value;
    }
    return this.#chunk.length > 0;
  }

  /** True when no byte is left; waits for the next chunk to know. */
  async atEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /**
   * Exactly `lengthBytes` bytes, or undefined when the stream ended before the first of them.
   * Throws `invalid_argument` when it ends in between.
   */
  async read(lengthBytes: number): Promise<Uint8Array | undefined> {
    if (lengthBytes === 0) return empty;
    if (!(await this.#fill())) return undefined;
    if (this.#chunk.length >= lengthBytes) return this.#take(lengthBytes);
    const joined = new Uint8Array(lengthBytes);
    let filled = 0;
    while (filled < lengthBytes) {
      if (!(await this.#fill())) {
        throw new PackhorseError('invalid_argument', 'The connection ended in the middle of a message.', {
          metadata: { expectedBytes: lengthBytes, receivedBytes: filled },
        });
      }
      const part = this.#take(Math.min(this.#chunk.length, lengthBytes - filled));
      joined.set(part, filled);
      filled += part.length;
    }
    return joined;
  }

  #take(lengthBytes: number): Uint8Array {
    const taken = this.#chunk.subarray(0, lengthBytes);
    this.#chunk = this.#chunk.subarray(lengthBytes);
    return taken;
  }

  /** What is left, chunk by chunk as it arrives. The reader must not be used for anything else while this is consumed. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    while (await this.#fill()) yield this.#take(this.#chunk.length);
  }

  /** Tells the source that nothing more will be read, so that it can let go of its resources. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#chunk = empty;
    await this.#source.return?.();
  }
}

/** The whole stream in one array. Throws `resource_exhausted` past `maxBytes`. */
export async function collect(stream: ByteStream, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      throw new PackhorseError('resource_exhausted', 'The message is larger than the server accepts.', {
        metadata: { maxBytes },
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, sizeBytes);
}
