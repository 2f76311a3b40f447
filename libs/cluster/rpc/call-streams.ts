import type { Duplex, Writable } from 'node:stream';
import { type ByteSink, eventOf, PackhorseError } from '#base';

/** gRPC frames and copies a message as one piece: longer chunks are cut. */
const maxMessageBytes = 256 * 1024;

/** Writes messages to the stream of a call, no faster than they are taken. */
export class MessageSink implements ByteSink {
  readonly #stream: Writable;
  readonly #signal: AbortSignal;

  constructor(stream: Duplex | Writable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
  }

  async write(...chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) {
      for (let start = 0; start < chunk.length; start += maxMessageBytes) {
        await this.send(chunk.subarray(start, start + maxMessageBytes));
      }
    }
  }

  /** One message, even an empty one. Rejects with `cancelled` once the other side is gone. */
  async send(message: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#stream.destroyed || this.#stream.writableEnded) {
      throw new PackhorseError('cancelled', 'The other side went away.');
    }
    if (this.#stream.write(message)) return;
    await eventOf(this.#stream, ['drain', 'close'], this.#signal);
  }
}
