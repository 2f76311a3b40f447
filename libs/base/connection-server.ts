import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { plainAddress } from './address.ts';
import type { Clock } from './clock.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { PackhorseError } from './errors.ts';
import { eventOf } from './node-streams.ts';

/** What a connection server asks of a connection that it accepted. */
export interface ServedConnection {
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  /** Begins nothing new: closes when what runs has ended, at once where nothing does. */
  drain(): void;
  /** Ends what runs, and says why where the protocol can. */
  abort(reason: PackhorseError): void;
  /** Closes the socket, whatever still runs. */
  close(): void;
}

export interface ConnectionServerOptions<Connection extends ServedConnection> {
  readonly clock: Clock;
  readonly limits: ConstructorParameters<typeof ConnectionLimit>[0];
  /** A client may close its side and still wait for the answer. */
  readonly allowHalfOpen?: boolean;
  /** How long what was aborted may take to say so. */
  readonly farewellMs: number;
  /** Serves a connection from `address`. */
  readonly accept: (socket: Socket, address: string) => Connection;
  /** Turns a connection away for the sake of a limit. */
  readonly refuse: (socket: Socket, limit: NonNullable<ReturnType<ConnectionLimit['objection']>>) => void;
  /** Told what goes wrong with the listening socket later on. */
  readonly onError: (error: unknown) => void;
}

const tcpKeepAliveMs = 60_000;

/** A TCP server whose connections are limited, in all and by address, and drained before it stops. */
export class ConnectionServer<Connection extends ServedConnection> {
  readonly #options: ConnectionServerOptions<Connection>;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #limit: ConnectionLimit;

  constructor(options: ConnectionServerOptions<Connection>) {
    this.#options = options;
    this.#limit = new ConnectionLimit(options.limits);
    this.#server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: tcpKeepAliveMs,
      allowHalfOpen: options.allowHalfOpen ?? false,
    });
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  /** Returns the port, where 0 picks a free one. Rejects when the address cannot be used. */
  async listen(host: string, port: number): Promise<number> {
    const listening = eventOf(this.#server, ['listening'], new AbortController().signal);
    this.#server.listen(port, host);
    await listening;
    this.#server.on('error', (error) => this.#options.onError(error));
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Stops accepting, drains every connection and waits, at most `timeoutMs`; what still runs then is
   * aborted, and closed when it takes too long to say so. Resolves when every connection is closed.
   */
  async drain(timeoutMs: number): Promise<void> {
    const { clock, farewellMs } = this.#options;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.drain();
    const stopAborting = clock.after(timeoutMs, () => {
      const reason = new PackhorseError('unavailable', 'The server is shutting down. Please try again.');
      for (const connection of this.#connections) connection.abort(reason);
    });
    const stopClosing = clock.after(timeoutMs + farewellMs, () => {
      for (const connection of this.#connections) connection.close();
    });
    await closed;
    stopAborting();
    stopClosing();
  }

  #accept(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress);
    const objection = this.#limit.objection(address);
    if (objection !== undefined) return this.#options.refuse(socket, objection);
    void this.#follow(this.#options.accept(socket, address), this.#limit.enter(address));
  }

  async #follow(connection: Connection, leave: () => void): Promise<void> {
    this.#connections.add(connection);
    await connection.closed;
    this.#connections.delete(connection);
    leave();
  }
}
