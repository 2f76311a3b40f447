import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Log, Settings } from '#base';
import { stopPostmaster } from './postmaster.ts';
import type { Programs } from './programs.ts';

/** Names the socket file; nothing listens on TCP. */
export const port = 5432;
const keptLines = 20;

/** What must hold whatever `postgresql.conf` says. */
function serverArguments(dataDirectory: string, settings: Settings['database']): readonly string[] {
  const parameters = {
    // Relative to the data directory, so its length never reaches the limit of a socket's path.
    unix_socket_directories: '..',
    unix_socket_permissions: '0700',
    listen_addresses: '',
    port,
    // Besides the pool: migrations, and an operator with psql.
    max_connections: settings.poolConnections + 10,
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    restart_after_crash: 'on',
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
  const options = Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', dataDirectory, ...options];
}

/** One run of PostgreSQL, from its start to its end. */
export class ServerProcess {
  readonly pid: number | undefined;
  readonly startedAtMs = performance.now();
  /** Resolves with how it ended, also when it could not even be started. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #lastLines: string[] = [];
  #hasEnded = false;

  constructor(programs: Programs, dataDirectory: string, settings: Settings['database'], log: Log) {
    this.#child = programs.start('postgres', serverArguments(dataDirectory, settings));
    this.pid = this.#child.pid;
    this.#child.stdout?.resume();
    this.#logOutput(log.child({ source: 'postgres' }));
    this.ended = new Promise<string>((resolve) => {
      const end = (how: string): void => {
        this.#hasEnded = true;
        resolve(how);
      };
      this.#child.once('error', (error) => end(error.message));
      this.#child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What PostgreSQL said last, for an error's metadata. */
  get lastLines(): string {
    return this.#lastLines.join('\n');
  }

  #logOutput(log: Log): void {
    if (this.#child.stderr === null) return;
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.#lastLines.push(line);
      if (this.#lastLines.length > keptLines) this.#lastLines.shift();
      if (line.startsWith('PANIC:')) log.error('PostgreSQL failed', { line });
      else log.debug('PostgreSQL said', { line });
    });
  }

  async stop(timeoutMs: number): Promise<void> {
    if (this.pid === undefined || this.#hasEnded) return;
    await stopPostmaster(this.pid, timeoutMs);
    await this.ended;
  }
}
