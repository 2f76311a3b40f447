import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { PackhorseError, type Log, type Settings } from '#base';
import { isConnectionLoss } from '../errors.ts';
import { chooseAccount } from './account.ts';
import { databaseName, dataDirectoryOf, ensureCluster, prepareDirectory, role } from './directory.ts';
import { findPostmaster, stopPostmaster } from './postmaster.ts';
import { findPrograms, type Programs } from './programs.ts';

/** How to reach the cluster; `host` is the directory of its socket. */
export interface EmbeddedConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

export interface EmbeddedOptions {
  /** The cluster's own directory; created when missing. */
  readonly directory: string;
  readonly settings: Settings['database'];
  readonly log: Log;
}

/** Names the socket file; nothing listens on TCP. */
const port = 5432;
/** The advisory lock of the one server that a cluster belongs to ("pack" in ASCII). */
const ownerLock = 0x7061636b;
/** `sun_path` of unix(7) holds 108 bytes with its final zero. */
const maxSocketPathBytes = 107;
const retryMs = 20;
const maxRestartDelayMs = 10_000;

/** What must hold whatever `postgresql.conf` says. */
function serverArguments(dataDirectory: string, settings: Settings['database']): readonly string[] {
  const parameters = {
    // Relative to the data directory, so its length never reaches the limit of a socket's path.
    unix_socket_directories: '..',
    unix_socket_permissions: '0700',
    listen_addresses: '',
    port,
    // Besides the pool: the owner's connection, migrations, and an operator with psql.
    max_connections: settings.poolConnections + 10,
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    logging_collector: 'off',
    log_destination: 'stderr',
    // Failed statements are reported to whoever made them; their text may hold personal data.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_line_prefix: '',
    // Its helper processes would outnumber the connections.
    io_method: 'sync',
    cluster_name: 'packhorse',
  };
  return [
    '-D',
    dataDirectory,
    ...Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

/**
 * PostgreSQL as a child of this server, on a unix socket in a directory of its own. It is restarted
 * when it dies; one that outlived a killed server is stopped first; a second server on the same
 * directory is refused.
 */
export class EmbeddedPostgres {
  readonly connection: EmbeddedConnection;
  readonly #options: EmbeddedOptions;
  readonly #programs: Programs;
  readonly #socketDirectory: FileHandle;
  #child: ChildProcess | undefined;
  #owner: Client | undefined;
  #closing = false;
  #supervision: Promise<void> = Promise.resolve();

  private constructor(options: EmbeddedOptions, programs: Programs, socketDirectory: FileHandle) {
    this.#options = options;
    this.#programs = programs;
    this.#socketDirectory = socketDirectory;
    const socketPath = `${options.directory}/.s.PGSQL.${port}`;
    // A path too long for a socket is shortened through the open directory.
    const host =
      Buffer.byteLength(socketPath) <= maxSocketPathBytes
        ? options.directory
        : `/proc/self/fd/${socketDirectory.fd}`;
    this.connection = { host, port, user: role, database: databaseName };
  }

  /**
   * Creates the cluster if need be, and resolves when it answers. Throws `failed_precondition` when
   * it cannot run here, belongs to another major version or is in use by another server.
   */
  static async start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
    const account = await chooseAccount(options.directory);
    await prepareDirectory(options.directory, account);
    const programs = await findPrograms(options.directory, account);
    const handle = await open(options.directory);
    const postgres = new EmbeddedPostgres(options, programs, handle);
    try {
      await postgres.#stopForgotten();
      await ensureCluster(options.directory, programs);
      await postgres.#launch();
    } catch (error) {
      await postgres.close();
      throw error;
    }
    postgres.#supervision = postgres.#supervise();
    return postgres;
  }

  get #dataDirectory(): string {
    return dataDirectoryOf(this.#options.directory);
  }

  /** Stops a postmaster whose server was killed. Throws `failed_precondition` when its server lives. */
  async #stopForgotten(): Promise<void> {
    const { settings, log } = this.#options;
    for (let waitedMs = 0; ; waitedMs += retryMs) {
      const pid = await findPostmaster(this.#dataDirectory);
      if (pid === undefined) return;
      if (await this.#takeOwnership()) {
        log.warn('stopping the PostgreSQL that a killed server left behind', { pid });
        await this.#releaseOwnership();
        await stopPostmaster(pid, settings.stopTimeoutMs);
        return;
      }
      // A killed server's connections take a moment to end, and a postmaster may be starting or stopping.
      if (waitedMs >= settings.ownerTimeoutMs) {
        throw new PackhorseError(
          'failed_precondition',
          'Another server is using this data directory. Stop it first.',
          { metadata: { pid, directory: this.#options.directory } },
        );
      }
      await sleep(retryMs);
    }
  }

  /** True once this server holds the cluster's owner lock; false when it is held elsewhere or cannot be asked now. */
  async #takeOwnership(): Promise<boolean> {
    const client = new Client({
      ...this.connection,
      connectionTimeoutMillis: 5_000,
      application_name: 'owner',
    });
    // Without a listener a lost connection would end the process; the next query reports it.
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
        ownerLock,
      ]);
      if (rows[0]?.taken === true) {
        this.#owner = client;
        return true;
      }
    } catch (error) {
      if (!isConnectionLoss(error)) throw error;
    }
    await client.end().catch(() => undefined);
    return false;
  }

  async #releaseOwnership(): Promise<void> {
    const owner = this.#owner;
    this.#owner = undefined;
    await owner?.end().catch(() => undefined);
  }

  /** Starts PostgreSQL and waits until it answers and belongs to this server. */
  async #launch(): Promise<void> {
    const child = this.#programs.start(
      'postgres',
      serverArguments(this.#dataDirectory, this.#options.settings),
    );
    this.#child = child;
    const lastLines = this.#logOutput(child);
    const failure = once(child, 'error').then(([error]: unknown[]) => error);
    for (let waitedMs = 0; ; waitedMs += retryMs) {
      if (await this.#takeOwnership()) break;
      const failed = child.pid === undefined ? await failure : undefined;
      if (failed !== undefined || child.exitCode !== null || child.signalCode !== null) {
        throw new PackhorseError('unavailable', 'The embedded database did not start.', {
          metadata: { output: lastLines.join('\n') },
          cause: failed,
        });
      }
      if (waitedMs >= this.#options.settings.startTimeoutMs) {
        await this.#stopChild();
        throw new PackhorseError('unavailable', 'The embedded database took too long to start.', {
          metadata: { output: lastLines.join('\n') },
        });
      }
      await sleep(retryMs);
    }
    this.#options.log.info('the embedded database is running', { pid: child.pid });
  }

  /** Writes what PostgreSQL says to the log; the returned array always holds the last lines. */
  #logOutput(child: ChildProcess): readonly string[] {
    const log = this.#options.log.child({ source: 'postgres' });
    const lastLines: string[] = [];
    child.stdout?.resume();
    if (child.stderr === null) return lastLines;
    createInterface({ input: child.stderr }).on('line', (line) => {
      lastLines.push(line);
      if (lastLines.length > 20) lastLines.shift();
      if (line.startsWith('PANIC:')) log.error('PostgreSQL failed', { line });
      else log.debug('PostgreSQL said', { line });
    });
    return lastLines;
  }

  /** Until `close`: starts PostgreSQL again whenever it ends, ever more slowly while it fails at once. */
  async #supervise(): Promise<void> {
    let delayMs = retryMs;
    while (!this.#closing) {
      const child = this.#child;
      if (child !== undefined && child.exitCode === null && child.signalCode === null) {
        await Promise.race([once(child, 'exit'), this.#ownerLost()]);
        delayMs = retryMs;
      }
      if (this.#closing) return;
      await this.#releaseOwnership();
      await this.#recover().catch((error: unknown) => {
        this.#options.log.error('the embedded database could not be started again', { error, delayMs });
      });
      if (this.#owner === undefined) {
        await sleep(delayMs);
        delayMs = Math.min(delayMs * 2, maxRestartDelayMs);
      }
    }
  }

  /** Resolves when the owner's connection ends: PostgreSQL restarts its backends when one of them crashes. */
  async #ownerLost(): Promise<void> {
    if (this.#owner !== undefined) await once(this.#owner, 'end');
  }

  async #recover(): Promise<void> {
    const child = this.#child;
    const running = child !== undefined && child.exitCode === null && child.signalCode === null;
    if (running && (await this.#takeOwnership())) return;
    if (running) return;
    this.#options.log.error('the embedded database ended; starting it again', {
      code: child?.exitCode ?? undefined,
      signal: child?.signalCode ?? undefined,
    });
    await this.#launch();
  }

  async #stopChild(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    await stopPostmaster(child.pid, this.#options.settings.stopTimeoutMs);
    await exited;
  }

  /** Stops PostgreSQL in an orderly way; every committed transaction is on disk. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#releaseOwnership();
    await this.#stopChild();
    await this.#supervision;
    await this.#socketDirectory.close();
  }
}
