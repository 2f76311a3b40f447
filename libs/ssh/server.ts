import type { ServerConfig } from 'ssh2';
import { type Clock, ConnectionServer, type Log, type Settings, systemClock } from '#base';
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
  readonly #server: ConnectionServer<SshConnection>;

  constructor(options: SshServerOptions) {
    this.#options = options;
    const clock = options.clock ?? systemClock;
    const connectionOptions: ConnectionOptions = {
      ...options,
      clock,
      saysAsGit: options.saysAsGit ?? false,
      protocol: {
        hostKeys: options.hostKeys.map(({ key }) => ({ key })),
        ident: 'Packhorse',
        algorithms,
        keepaliveInterval: options.settings.keepAliveMs,
        keepaliveCountMax: keepAlivesInVain,
      },
    };
    this.#server = new ConnectionServer({
      clock,
      limits: options.settings,
      farewellMs,
      accept: (socket, address) => new SshConnection(socket, address, connectionOptions),
      refuse: (socket, limit) => {
        options.metrics.limitsReached.inc({ limit: `ssh_${limit}` });
        socket.destroy();
      },
      onError: (error) => options.log.error('the SSH door has a problem', { error }),
    });
  }

  async listen(host: string, port: number): Promise<number> {
    const { log, hostKeys } = this.#options;
    const bound = await this.#server.listen(host, port);
    log.info('ssh door open', { port: bound, hostKeys: hostKeys.map(({ fingerprint }) => fingerprint) });
    return bound;
  }

  drain(timeoutMs: number): Promise<void> {
    return this.#server.drain(timeoutMs);
  }
}
