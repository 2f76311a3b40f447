import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileLock, PackhorseError, type Log, type Settings } from '#base';
import { chooseAccount } from './account.ts';
import { databaseName, dataDirectoryOf, ensureCluster, prepareDirectory, role } from './directory.ts';
import { findPostmaster, isReady, stopPostmaster } from './postmaster.ts';
import { findPrograms, type Programs } from './programs.ts';
import { port, ServerProcess } from './server.ts';

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

/** `sun_path` of unix(7) holds 108 bytes with its final zero. */
const maxSocketPathBytes = 107;
const startPollMs = 20;
const firstAttemptDelaysMs = [100, 1_000];
const firstRestartDelayMs = 20;
const maxRestartDelayMs = 10_000;
/** A run this long was no failure to start: the next restart is immediate again. */
const stableRunMs = 60_000;

/** A path that is too long for a socket is shortened through the open directory. */
function socketHost(directory: string, handle: FileHandle): string {
  const lengthBytes = Buffer.byteLength(`${directory}/.s.PGSQL.${port}`);
  return lengthBytes <= maxSocketPathBytes ? directory : `/proc/self/fd/${handle.fd}`;
}

/** The cluster has one server at a time. Throws `failed_precondition` when there is another. */
function acquireLock(directory: string): FileLock {
  const lock = FileLock.acquire(join(directory, 'lock'));
  if (lock !== undefined) return lock;
  throw new PackhorseError(
    'failed_precondition',
    'Another server is using this data directory. Stop it first.',
    {
      metadata: { directory },
    },
  );
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
  readonly #lock: FileLock;
  /** Held open for `socketHost`. */
  readonly #directoryHandle: FileHandle;
  readonly #closing = new AbortController();
  #server: ServerProcess | undefined;
  #supervision: Promise<void> = Promise.resolve();

  private constructor(options: EmbeddedOptions, programs: Programs, lock: FileLock, handle: FileHandle) {
    this.#options = options;
    this.#programs = programs;
    this.#lock = lock;
    this.#directoryHandle = handle;
    const host = socketHost(options.directory, handle);
    this.connection = { host, port, user: role, database: databaseName };
  }

  /**
   * Creates the cluster if need be, and resolves when it answers. Throws `failed_precondition` when
   * it cannot run here, belongs to another major version or is in use by another server.
   */
  static async start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
    const { directory } = options;
    const account = await chooseAccount(directory);
    await prepareDirectory(directory, account);
    const programs = await findPrograms(directory, account);
    const postgres = new EmbeddedPostgres(options, programs, acquireLock(directory), await open(directory));
    try {
      await postgres.#stopForgotten();
      await ensureCluster(directory, programs);
      await postgres.#launchPatiently();
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

  /** Stops a postmaster whose server was killed: the lock says that this is the only server now. */
  async #stopForgotten(): Promise<void> {
    const pid = await findPostmaster(this.#dataDirectory);
    if (pid === undefined) return;
    this.#options.log.warn('stopping the PostgreSQL that a killed server left behind', { pid });
    await stopPostmaster(pid, this.#options.settings.stopTimeoutMs);
  }

  /** Starts PostgreSQL and waits until it answers. */
  async #launch(): Promise<void> {
    const { settings, log } = this.#options;
    this.#closing.signal.throwIfAborted();
    const server = new ServerProcess(this.#programs, this.#dataDirectory, settings, log);
    this.#server = server;
    for (let waitedMs = 0; !(await isReady(this.#dataDirectory, server.pid)); waitedMs += startPollMs) {
      if (server.hasEnded || waitedMs >= settings.startTimeoutMs) {
        await server.stop(settings.stopTimeoutMs);
        throw new PackhorseError('unavailable', 'The embedded database did not start.', {
          metadata: { ended: await server.ended, output: server.lastLines },
        });
      }
      await sleep(startPollMs);
    }
    log.info('the embedded database is running', { pid: server.pid });
  }

  /** The processes of a postmaster that was killed hold its shared memory for a moment longer. */
  async #launchPatiently(): Promise<void> {
    for (const delayMs of firstAttemptDelaysMs) {
      try {
        return await this.#launch();
      } catch (error) {
        this.#options.log.warn('the embedded database did not start; trying again', { error, delayMs });
        await sleep(delayMs);
      }
    }
    await this.#launch();
  }

  /** Until `close`: starts PostgreSQL again whenever it ends, ever more slowly while it ends soon. */
  async #supervise(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#closing;
    for (let delayMs = firstRestartDelayMs; ; delayMs = Math.min(delayMs * 2, maxRestartDelayMs)) {
      const server = this.#server;
      const ended = await server?.ended;
      if (signal.aborted) return;
      log.error('the embedded database ended; starting it again', { ended, output: server?.lastLines });
      if (server !== undefined && performance.now() - server.startedAtMs > stableRunMs)
        delayMs = firstRestartDelayMs;
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      await this.#launch().catch((error: unknown) => {
        if (!signal.aborted) log.error('the embedded database could not be started', { error });
      });
    }
  }

  /** Stops PostgreSQL in an orderly way; every committed transaction is on disk. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#server?.stop(this.#options.settings.stopTimeoutMs);
    await this.#supervision;
    this.#lock[Symbol.dispose]();
    await this.#directoryHandle.close();
  }
}
