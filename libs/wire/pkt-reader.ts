import { type ByteStream, PackhorseError } from '#base';
import { decodePktLine, type PktLine } from './pkt-line.ts';

/** Reads pkt-lines out of a stream whose chunks fall anywhere; what follows them is handed on as it comes. */
export class PktReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffered: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(source: ByteStream) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /**
   * The next line, or undefined when the stream ended before it. Throws `invalid_argument` when the
   * stream ends inside a line or the line is malformed.
   */
  async read(): Promise<PktLine | undefined> {
    for (;;) {
      const decoded = decodePktLine(this.#buffered);
      if (decoded.status === 'complete') {
        this.#buffered = this.#buffered.subarray(decoded.consumedBytes);
        return decoded.line;
      }
      if (!(await this.#fill(decoded.missingBytes))) {
        if (this.#buffered.length === 0) return undefined;
        throw new PackhorseError('invalid_argument', 'The connection ended in the middle of a message.');
      }
    }
  }

  /** Waits for `missingBytes` more; false when the stream ended before that. Copies once, however small the chunks. */
  async #fill(missingBytes: number): Promise<boolean> {
    const chunks: Uint8Array[] = this.#buffered.length > 0 ? [this.#buffered] : [];
    let filledBytes = 0;
    while (filledBytes < missingBytes) {
      const chunk = await this.#nextChunk();
      if (chunk === undefined) break;
      chunks.push(chunk);
      filledBytes += chunk.length;
    }
    const [first] = chunks;
    if (chunks.length === 1 && first !== undefined) {
      this.#buffered = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
    } else {
      this.#buffered = Buffer.concat(chunks);
    }
    return filledBytes >= missingBytes;
  }

  async #nextChunk(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined;
    const next = await this.#source.next();
    if (next.done !== true) return next.value;
    this.#ended = true;
    return undefined;
  }

  /**
   * Everything after the lines read so far, chunk by chunk as it arrives. A consumer may stop at any
   * moment, even while it waits for a chunk: a client that keeps its connection open after the
   * pack, to hear the report, must not be waited for. Calling it again goes on behind the last chunk.
   */
  rest(): ByteStream {
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      if (this.#buffered.length > 0) {
        const value = this.#buffered;
        this.#buffered = Buffer.alloc(0);
        return { done: false, value };
      }
      const value = await this.#nextChunk();
      return value === undefined ? { done: true, value } : { done: false, value };
    };
    const stop = (): Promise<IteratorResult<Uint8Array, undefined>> =>
      Promise.resolve({ done: true, value: undefined });
    return { [Symbol.asyncIterator]: () => ({ next, return: stop }) };
  }
}
