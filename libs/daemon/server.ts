import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import {
  ConnectionLimit,
  eventOf,
  PackhorseError,
  plainAddress,
  systemClock,
  type Clock,
  type Log,
  type Settings,
} from '#base';
import type { GitGateway } from '#gateway';
import type { Metrics } from '#telemetry';
import { encodePktLine } from '#wire';
import type { InterpolatedPath } from './interpolated-path.ts';
import { DaemonConnection, type ConnectionOptions } from './connection.ts';

export interface DaemonServerOptions {
  readonly git: GitGateway;
  readonly informativeErrors: boolean;
  readonly interpolatedPath?: InterpolatedPath;
  readonly settings: Settings['daemon'];
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock?: Clock;
}

/** The git:// door. */
export interface DaemonServer {
  /** Returns the port, where 0 picks a free one. Rejects when the address cannot be used. */
  listen(host: string, port: number): Promise<number>;
  /**
   * Stops accepting and waits for running requests, at most `timeoutMs`; what still runs then is
   * aborted. Resolves when every connection is closed.
   */
  drain(timeoutMs: number): Promise<void>;
}

/** How long an aborted request may take to say so, and a refused client to read why. */
const farewellMs = 1_000;
const tcpKeepAliveMs = 60_000;
const busy = encodePktLine('ERR The server is busy. Please try again in a moment.');

export function createDaemonServer(options: DaemonServerOptions): DaemonServer {
  return new NodeDaemonServer(options);
}

class NodeDaemonServer implements DaemonServer {
  readonly #options: DaemonServerOptions;
  readonly #connectionOptions: ConnectionOptions;
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #connections = new Set<DaemonConnection>();
  readonly #limit: ConnectionLimit;

  constructor(options: DaemonServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#limit = new ConnectionLimit(options.settings);
    this.#connectionOptions = { ...options, clock: this.#clock };
    this.#server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: tcpKeepAliveMs,
      // A client may close its side and still wait for the answer.
      allowHalfOpen: true,
    });
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  async listen(host: string, port: number): Promise<number> {
    const listening = eventOf(this.#server, ['listening'], new AbortController().signal);
    this.#server.listen(port, host);
    await listening;
    this.#server.on('error', (error) => this.#options.log.error('the git:// door has a problem', { error }));
    return (this.#server.address() as AddressInfo).port;
  }

  async drain(timeoutMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.drain();
    const stopAborting = this.#clock.after(timeoutMs, () => {
      const reason = new PackhorseError('unavailable', 'The server is shutting down. Please try again.');
      for (const connection of this.#connections) connection.abort(reason);
    });
    const stopClosing = this.#clock.after(timeoutMs + farewellMs, () => {
      for (const connection of this.#connections) connection.close();
    });
    await closed;
    stopAborting();
    stopClosing();
  }

  #accept(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress);
    const objection = this.#limit.objection(address);
    if (objection !== undefined) return this.#refuse(socket, objection);
    const connection = new DaemonConnection(socket, address, this.#connectionOptions);
    void this.#follow(connection, this.#limit.enter(address));
  }

  async #follow(connection: DaemonConnection, leave: () => void): Promise<void> {
    this.#connections.add(connection);
    await connection.closed;
    this.#connections.delete(connection);
    leave();
  }

  #refuse(socket: Socket, limit: string): void {
    this.#options.metrics.limitsReached.inc({ limit: `daemon_${limit}` });
    socket.on('error', () => undefined);
    socket.end(busy);
    // Bytes that are left unread would reset the connection, and take the answer with them.
    socket.resume();
    const cancel = this.#clock.after(farewellMs, () => socket.destroy());
    socket.once('close', cancel);
  }
}
