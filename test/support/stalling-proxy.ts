import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy that passes on a given number of bytes to the server and then holds everything back:
 * a push through it stands still in the middle, for as long as the test needs.
 */
export class StallingProxy implements AsyncDisposable {
  readonly port: number;
  /** Resolves once the given number of bytes has been passed on. */
  readonly stalled: Promise<void>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: { readonly upstream: Socket; readonly chunk: Buffer }[] = [];
  readonly #reached: () => void;
  #leftBytes: number;

  private constructor(
    server: Server,
    target: { readonly host: string; readonly port: number },
    bytes: number,
  ) {
    this.#server = server;
    this.#leftBytes = bytes;
    this.port = (server.address() as AddressInfo).port;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.stalled = promise;
    this.#reached = resolve;
    server.on('connection', (client) => this.#join(client, connect(target.port, target.host)));
  }

  static async start(
    target: { readonly host: string; readonly port: number },
    bytes: number,
  ): Promise<StallingProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new StallingProxy(server, target, bytes);
  }

  #join(client: Socket, upstream: Socket): void {
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => other.destroy());
    }
    upstream.pipe(client, { end: false });
    // Reading goes on while everything is held back, so that the end of the client is noticed.
    client.on('data', (chunk: Buffer) => {
      const passed = chunk.subarray(0, this.#leftBytes);
      const held = chunk.subarray(this.#leftBytes);
      this.#leftBytes -= passed.length;
      if (held.length > 0) this.#held.push({ upstream, chunk: held });
      if (passed.length > 0 && !upstream.write(passed)) {
        client.pause();
        upstream.once('drain', () => client.resume());
      }
      if (this.#leftBytes === 0) this.#reached();
    });
  }

  /** Passes on what was held back, and everything after it. */
  resume(): void {
    this.#leftBytes = Number.MAX_SAFE_INTEGER;
    for (const { upstream, chunk } of this.#held.splice(0)) upstream.write(chunk);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
