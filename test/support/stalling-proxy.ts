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

  private constructor(
    server: Server,
    target: { readonly host: string; readonly port: number },
    bytes: number,
  ) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.stalled = promise;
    let left = bytes;
    server.on('connection', (client) => {
      const upstream = connect(target.port, target.host);
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => other.destroy());
      }
      upstream.pipe(client, { end: false });
      client.on('data', (chunk: Buffer) => {
        const passed = chunk.subarray(0, left);
        left -= passed.length;
        if (passed.length > 0 && !upstream.write(passed)) {
          client.pause();
          upstream.once('drain', () => client.resume());
        }
        // Reading goes on, so that the end of the client is noticed.
        if (left === 0) resolve();
      });
    });
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

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
