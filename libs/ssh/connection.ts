import type { Socket } from 'node:net';
import ssh2, { type Connection, type ServerChannel, type ServerConfig, type Session } from 'ssh2';
import { PackhorseError, type Clock, type Log, type Settings } from '#base';
import type { PublicKey } from '#accounts';
import type { GitGateway } from '#gateway';
import type { Metrics } from '#telemetry';
import { parseCommand } from './command.ts';
import { endChannel, GitCommand, ignoringLostConnection, refusal } from './git-command.ts';
import { Login } from './login.ts';
import type { KeyLookup } from './public-key.ts';
import { Transport } from './transport.ts';

export interface ConnectionOptions {
  readonly git: GitGateway;
  readonly authenticateKey: (key: PublicKey, remoteAddress: string) => ReturnType<KeyLookup>;
  readonly settings: Settings['ssh'];
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Failures are told in the words of git's own programs; otherwise in those of packhorse. */
  readonly saysAsGit: boolean;
  /** For the library: host keys, algorithms, keep-alive. */
  readonly protocol: ServerConfig;
}

/** How long a connection that is being closed may take to send what is left. */
const farewellMs = 1_000;
/** How long a client may take to read the end of its command when the server is draining. */
const lastWordsMs = 10_000;
/** Below this a client makes us cut its data into crumbs, and at 0 the library would never end doing so. */
const minPacketBytes = 512;
const refusalStatus = 1;
/** How git-shell ends when it refuses a command. */
const badCommandStatus = 128;

/** One SSH connection, from its first byte to its last. Nothing that goes wrong on it reaches another. */
export class SshConnection {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #remoteAddress: string;
  readonly #options: ConnectionOptions;
  readonly #log: Log;
  readonly #login: Login;
  readonly #commands = new Set<GitCommand>();
  #connection: Connection | undefined;
  #transport: Transport | undefined;
  #sessions = 0;
  #isDraining = false;
  /** Cancels what would close the connection: first the time to log in, then the time to rest. */
  #cancelTimer: () => void;

  constructor(socket: Socket, remoteAddress: string, options: ConnectionOptions) {
    const { settings, clock, protocol } = options;
    this.#socket = socket;
    this.#remoteAddress = remoteAddress;
    this.#options = options;
    this.#log = options.log.child({ remoteAddress });
    this.#login = new Login({
      lookup: (key) => options.authenticateKey(key, remoteAddress),
      maxAttempts: settings.maxAuthAttempts,
      log: this.#log,
      giveUp: () => this.close(),
    });
    this.#cancelTimer = clock.after(settings.loginTimeoutMs, () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#finish();
        resolve();
      });
    });
    // A protocol instance of its own keeps this connection's socket and state apart from all others.
    new ssh2.Server(protocol, (connection) => this.#begin(connection)).injectSocket(socket);
  }

  /** Lets running commands finish, then closes. */
  drain(): void {
    this.#isDraining = true;
    if (this.#commands.size === 0) this.close();
  }

  /** Ends running commands, telling their clients why. */
  abort(reason: PackhorseError): void {
    for (const command of this.#commands) command.abort(reason);
  }

  /** Says goodbye, and cuts off a client that does not take it. */
  close(): void {
    ignoringLostConnection(() => this.#connection?.end());
    if (this.#connection === undefined) this.#socket.destroy();
    else this.#options.clock.after(farewellMs, () => this.#socket.destroy());
  }

  #begin(connection: Connection): void {
    this.#connection = connection;
    this.#transport = new Transport(this.#socket, connection);
    connection.on('error', (error: Error) => {
      this.#log.debug('ssh connection failed', { error });
      this.close();
    });
    // At the end of the connection the library ends its channels as if the client had finished: abort first.
    connection.on('end', () => this.#lost());
    connection.on('close', () => this.#lost());
    connection.on('authentication', (context) => void this.#login.answer(context));
    connection.on('ready', () => {
      this.#options.metrics.sshLogins.inc({ outcome: 'accepted' });
      this.#restTimer();
    });
    connection.on('session', (accept, reject) => {
      if (this.#isDraining || this.#sessions >= this.#options.settings.maxSessionsPerConnection) reject();
      else this.#openSession(accept());
    });
  }

  #lost(): void {
    this.abort(new PackhorseError('cancelled', 'The client went away.'));
  }

  #finish(): void {
    this.#cancelTimer();
    this.#lost();
    if (this.#login.identity === undefined && this.#login.failures > 0) {
      this.#options.metrics.sshLogins.inc({ outcome: 'refused' });
    }
  }

  /** Starts the time that the connection may rest without a command. */
  #restTimer(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(this.#options.settings.idleTimeoutMs, () => this.close());
  }

  /**
   * The requests of one session (RFC 4254, 6). Terminals, X11, agents, subsystems and forwarding
   * are refused by the library as long as nobody listens for them.
   */
  #openSession(session: Session): void {
    let gitProtocol: string | undefined;
    let command: GitCommand | undefined;
    this.#sessions += 1;
    session.on('close', () => {
      this.#sessions -= 1;
      command?.abort(new PackhorseError('cancelled', 'The client went away.'));
    });
    session.on('env', (accept, reject, { key, val }) => {
      if (key === 'GIT_PROTOCOL') gitProtocol = val;
      // A request that wants no reply comes without the means to give one.
      const reply = (key === 'GIT_PROTOCOL' ? accept : reject) as (() => void) | undefined;
      reply?.();
    });
    session.on('shell', (accept) => {
      const channel = this.#openChannel(accept());
      if (channel !== undefined)
        endChannel(channel, refusalStatus, refusal(this.#greeting(), this.#options.saysAsGit));
    });
    session.on('exec', (accept, _reject, info) => {
      const channel = this.#openChannel(accept());
      if (channel !== undefined) command = this.#execute(channel, info.command, gitProtocol);
    });
  }

  /** undefined, and the end of the connection, when the client's packets are absurdly small. */
  #openChannel(channel: ServerChannel | undefined): ServerChannel | undefined {
    if (channel === undefined) return undefined;
    const { packetSize } = channel.outgoing as { readonly packetSize: number };
    if (packetSize < minPacketBytes) {
      this.#socket.destroy();
      return undefined;
    }
    // What fails on a channel shows as the end of the connection.
    channel.on('error', () => undefined);
    channel.stderr.on('error', () => undefined);
    return channel;
  }

  #greeting(): string {
    const { identity } = this.#login;
    const name = identity?.kind === 'user' ? identity.login : 'there';
    return `Hi ${name}! You've successfully authenticated, but Packhorse does not provide shell access.`;
  }

  #execute(
    channel: ServerChannel,
    commandLine: string,
    gitProtocol: string | undefined,
  ): GitCommand | undefined {
    const { identity } = this.#login;
    const transport = this.#transport;
    if (identity === undefined || transport === undefined) return undefined;
    const parsed = parseCommand(commandLine);
    if (parsed.kind === 'refused') {
      this.#log.info('ssh command refused', { reason: parsed.message });
      endChannel(channel, badCommandStatus, refusal(parsed.message, this.#options.saysAsGit));
      return undefined;
    }
    const { git, settings, clock } = this.#options;
    const log = identity.kind === 'user' ? this.#log.child({ login: identity.login }) : this.#log;
    const remoteAddress = this.#remoteAddress;
    const command = new GitCommand(parsed, channel, {
      git,
      settings,
      clock,
      log,
      identity,
      remoteAddress,
      transport,
      saysAsGit: this.#options.saysAsGit,
    });
    void this.#follow(command.run(gitProtocol), command, channel, transport);
    return command;
  }

  async #follow(
    running: Promise<void>,
    command: GitCommand,
    channel: ServerChannel,
    transport: Transport,
  ): Promise<void> {
    this.#cancelTimer();
    this.#commands.add(command);
    transport.add(channel);
    const channelClosed = new Promise<void>((resolve) => channel.once('close', resolve));
    await running;
    transport.remove(channel);
    this.#commands.delete(command);
    if (this.#commands.size > 0 || this.#socket.destroyed) return;
    if (!this.#isDraining) return this.#restTimer();
    // The answer may still be on its way: the client closes the channel when it has read everything.
    const cancelWait = this.#options.clock.after(lastWordsMs, () => this.close());
    await channelClosed;
    cancelWait();
    this.close();
  }
}
