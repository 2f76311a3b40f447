import { chownSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { runChecked, startProcess, type RunningProcess } from './processes.ts';
import { removeDirectory, temporaryDirectory } from './temporary.ts';

/** A PostgreSQL of the machine's own packages, on TCP and with a password, as an operator would give it. */
export interface TestPostgres extends AsyncDisposable {
  /** Of an empty database, with a role that may do everything in it. */
  readonly url: string;
  /** Stops it, so that connections break; `start` brings it back on the same port with the same data. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const password = 'a password with /, @ and %';

/** The programs of the newest version that is installed. */
function programsDirectory(): string {
  const versions = globSync('/usr/lib/postgresql/*/bin').sort();
  const newest = versions.at(-1);
  if (newest === undefined) throw new Error('no PostgreSQL is installed: apt-get install postgresql');
  return newest;
}

/** PostgreSQL refuses to run as root, so root starts it as `postgres`. */
function asPostgres(command: string, args: readonly string[]): [command: string, args: readonly string[]] {
  if (process.getuid?.() !== 0) return [command, args];
  return ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', command, ...args]];
}

function giveToPostgres(...paths: readonly string[]): void {
  if (process.getuid?.() !== 0) return;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  for (const path of paths) chownSync(path, Number(uid), Number(gid));
}

/** Starts one in a temporary directory on a free port. Dispose it, or call `stop`, when done. */
export async function startPostgres(): Promise<TestPostgres> {
  const programs = programsDirectory();
  const directory = temporaryDirectory('postgres');
  const [data, passwordFile] = [join(directory, 'data'), join(directory, 'password')];
  const port = await freePort();
  writeFileSync(passwordFile, password);
  giveToPostgres(directory, passwordFile);
  const initdb = ['-D', data, '-U', 'packhorse', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  await runChecked(...asPostgres(join(programs, 'initdb'), [...initdb, '-E', 'UTF8', '--no-sync']), {
    cwd: directory,
  });

  let running: RunningProcess | undefined;
  async function start(): Promise<void> {
    const parameters = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      'fsync=off',
      `unix_socket_directories=${directory}`,
    ];
    const args = ['-D', data, ...parameters.flatMap((parameter) => ['-c', parameter])];
    running = startProcess(...asPostgres(join(programs, 'postgres'), args), { cwd: directory });
    await running.waitFor(/ready to accept connections/, { stream: 'stderr' });
  }
  async function stop(): Promise<void> {
    await running?.stop('SIGINT');
    running = undefined;
  }
  await start();
  return {
    url: `postgresql://packhorse:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      removeDirectory(directory);
    },
  };
}
