import type { Socket } from 'node:net';
import { type Clock, ConnectionServer, type Log, type Settings, systemClock } from '#base';
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
const busy = encodePktLine('ERR The server is busy. Please try again in a moment.');

export function createDaemonServer(options: DaemonServerOptions): DaemonServer {
  return new NodeDaemonServer(options);
}

class NodeDaemonServer implements DaemonServer {
  readonly #options: DaemonServerOptions;
  readonly #clock: Clock;
  readonly #server: ConnectionServer<DaemonConnection>;

  constructor(options: DaemonServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const connectionOptions: ConnectionOptions = { ...options, clock: this.#clock };
    this.#server = new ConnectionServer({
      clock: this.#clock,
      limits: options.settings,
      allowHalfOpen: true,
      farewellMs,
      accept: (socket, address) => new DaemonConnection(socket, address, connectionOptions),
      refuse: (socket, limit) => this.#refuse(socket, limit),
      onError: (error) => options.log.error('the git:// door has a problem', { error }),
    });
  }

  listen(host: string, port: number): Promise<number> {
    return this.#server.listen(host, port);
  }

  drain(timeoutMs: number): Promise<void> {
    return this.#server.drain(timeoutMs);
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
