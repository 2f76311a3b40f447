import type { Socket } from 'node:net';
import type { Connection, ServerChannel } from 'ssh2';
import { eventOf, orAbort, PassingBuffers } from '#base';

/** What a client may leave unread of our answers to its own messages before it is cut off. */
const maxUnsentBytes = 8 * 1024 * 1024;
/** Twice the library's window of 2 MiB, which it opens again before the data is read, and one packet. */
const maxUnreadBytes = 2 * 2 * 1024 * 1024 + 64 * 1024;
/** What may wait for the end of a new key exchange. */
const maxHeldBackBytes = 1024 * 1024;

/**
 * The connection below the channels. The library takes bytes for as long as the client's window
 * is open, whether or not the socket gets rid of them, and keeps whatever comes in: here both are bounded.
 */
export class Transport {
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #channels = new Set<ServerChannel>();
  /** The library makes a buffer of its own for each packet. */
  readonly #packets = new PassingBuffers();
  #handedBytes = 0;
  #sentBefore: number;

  constructor(socket: Socket, connection: Connection) {
    this.#socket = socket;
    this.#connection = connection;
    this.#sentBefore = socket.bytesWritten;
    socket.on('data', () => this.#cutOffFlood());
  }

  add(channel: ServerChannel): void {
    this.#channels.add(channel);
  }

  remove(channel: ServerChannel): void {
    this.#channels.delete(channel);
  }

  /** Writes to a channel; resolves once the client's window, the socket and a key exchange let more through. */
  async write(channel: ServerChannel, data: Uint8Array, signal: AbortSignal): Promise<void> {
    await orAbort(signal, (done, failed) => {
      // One system call for all the packets that this becomes, instead of one each.
      this.#socket.cork();
      try {
        channel.write(data, (error) => (error instanceof Error ? failed(error) : done()));
      } finally {
        this.#socket.uncork();
      }
    });
    this.#handedBytes += data.length;
    if (this.#heldBackBytes() > maxHeldBackBytes) await eventOf(this.#connection, ['rekey'], signal);
    if (this.#socket.writableNeedDrain) await eventOf(this.#socket, ['drain'], signal);
    this.#packets.passed(data.length);
  }

  /** During a key exchange packets wait inside the library, where only their absence from the socket shows. */
  #heldBackBytes(): number {
    const heldBackBytes = this.#handedBytes - (this.#socket.bytesWritten - this.#sentBefore);
    if (heldBackBytes <= 0) {
      this.#handedBytes = 0;
      this.#sentBefore = this.#socket.bytesWritten;
    }
    return heldBackBytes;
  }

  /** A client that sends past its window, or makes us answer without reading, is none that git uses. */
  #cutOffFlood(): void {
    const unread = [...this.#channels].some(({ readableLength }) => readableLength > maxUnreadBytes);
    if (unread || this.#socket.writableLength > maxUnsentBytes) this.#socket.destroy();
  }
}
