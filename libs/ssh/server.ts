import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { ServerConfig } from 'ssh2';
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
import type { PublicKey } from '#accounts';
import type { GitGateway } from '#gateway';
import type { Metrics } from '#telemetry';
import { SshConnection, type ConnectionOptions } from './connection.ts';
import type { HostKey } from './host-keys.ts';
import type { KeyLookup } from './public-key.ts';

export interface SshServerOptions {
  readonly git: GitGateway;
  /** Who has this key; undefined when nobody has. Asked before the client has proven anything. */
  readonly authenticateKey: (key: PublicKey, remoteAddress: string) => ReturnType<KeyLookup>;
  readonly hostKeys: readonly HostKey[];
  readonly settings: Settings['ssh'];
  readonly log: Log;
  readonly metrics: Metrics;
  /** Failures are told in the words of git's own programs; absent: in those of packhorse. */
  readonly saysAsGit?: boolean;
  readonly clock?: Clock;
}

/** The SSH door. */
export interface SshServer {
  /** Returns the port, where 0 picks a free one. Rejects when the address cannot be used. */
  listen(host: string, port: number): Promise<number>;
  /**
   * Stops accepting, closes resting connections and waits for running commands, at most
   * `timeoutMs`; what still runs then is aborted. Resolves when every connection is closed.
   */
  drain(timeoutMs: number): Promise<void>;
}

/** How long an aborted command may take to say so. */
const farewellMs = 2_000;
const keepAlivesInVain = 5;
const tcpKeepAliveMs = 60_000;

/**
 * What is offered (RFC 9142 for the key exchanges): nothing that needs SHA-1, and no compression,
 * since packs are compressed already. Which cipher it becomes, the client decides.
 */
const algorithms: NonNullable<ServerConfig['algorithms']> = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group14-sha256',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
  serverHostKey: ['ssh-ed25519', 'ecdsa-sha2-nistp256'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
};

export function createSshServer(options: SshServerOptions): SshServer {
  return new NodeSshServer(options);
}

class NodeSshServer implements SshServer {
  readonly #options: SshServerOptions;
  readonly #connectionOptions: ConnectionOptions;
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #connections = new Set<SshConnection>();
  readonly #limit: ConnectionLimit;

  constructor(options: SshServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#limit = new ConnectionLimit(options.settings);
    this.#connectionOptions = {
      ...options,
      clock: this.#clock,
      saysAsGit: options.saysAsGit ?? false,
      protocol: {
        hostKeys: options.hostKeys.map(({ key }) => ({ key })),
        ident: 'Packhorse',
        algorithms,
        keepaliveInterval: options.settings.keepAliveMs,
        keepaliveCountMax: keepAlivesInVain,
      },
    };
    this.#server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: tcpKeepAliveMs,
    });
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  async listen(host: string, port: number): Promise<number> {
    const { log, hostKeys } = this.#options;
    const listening = eventOf(this.#server, ['listening'], new AbortController().signal);
    this.#server.listen(port, host);
    await listening;
    this.#server.on('error', (error) => log.error('the SSH door has a problem', { error }));
    const bound = (this.#server.address() as AddressInfo).port;
    log.info('ssh door open', { port: bound, hostKeys: hostKeys.map(({ fingerprint }) => fingerprint) });
    return bound;
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
    if (objection !== undefined) return this.#refuse(socket, `ssh_${objection}`);
    const connection = new SshConnection(socket, address, this.#connectionOptions);
    void this.#follow(connection, this.#limit.enter(address));
  }

  async #follow(connection: SshConnection, leave: () => void): Promise<void> {
    this.#connections.add(connection);
    await connection.closed;
    this.#connections.delete(connection);
    leave();
  }

  #refuse(socket: Socket, limit: string): void {
    this.#options.metrics.limitsReached.inc({ limit });
    socket.destroy();
  }
}
