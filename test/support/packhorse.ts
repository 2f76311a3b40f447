import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { atEnd } from './cleanup.ts';
import { cleanEnvironment } from './git.ts';
import { treeMemory, processMemory, type Memory } from './process-memory.ts';
import { run, startProcess, type Exit, type RunningProcess, type RunResult } from './processes.ts';
import { KnownHosts, newSshKey, type SshKey } from './ssh.ts';
import { temporaryDirectory } from './temporary.ts';

/** The real server, started as an operator starts it, and the operator's commands. */

const program = resolve(import.meta.dirname, '../../apps/cli/packhorse.cjs');

export interface PackhorseOptions {
  /** Absent: a fresh one. */
  readonly dataDir?: string;
  /** Serve this directory without accounts. */
  readonly root?: string;
  readonly anonymousPush?: boolean;
  /** With `root`: the authorized_keys file of the SSH door. */
  readonly authorizedKeys?: string;
  /** With `root`: opens the git:// door, for every repository with `exportAll`. */
  readonly gitDoor?: 'marked' | 'export-all';
  /** Further options of `serve`. */
  readonly serveArguments?: readonly string[];
  readonly databaseUrl?: string;
  /** Settings, as environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command that starts its arguments, such as `prlimit --fsize=1000 --`. */
  readonly wrapper?: readonly string[];
}

/** Everybody who takes part in a test has all their ways in. */
export interface Person {
  readonly login: string;
  readonly password: string;
  /** May read and write. */
  readonly token: string;
  readonly key: SshKey;
}

export interface NewRepositoryOptions {
  readonly private?: boolean;
  /** Absent: the server's default, SHA-1. */
  readonly objectFormat?: 'sha1' | 'sha256';
}

interface Addresses {
  readonly http: URL;
  readonly ssh: URL | undefined;
  readonly git: URL | undefined;
}

export class Packhorse implements AsyncDisposable {
  readonly dataDir: string;
  readonly #options: PackhorseOptions;
  #process: RunningProcess;
  #addresses: Addresses;
  #knownHosts: KnownHosts | undefined;

  private constructor(options: PackhorseOptions, dataDir: string, started: Started) {
    this.#options = options;
    this.dataDir = dataDir;
    this.#process = started.process;
    this.#addresses = started.addresses;
  }

  static async start(options: PackhorseOptions = {}): Promise<Packhorse> {
    const dataDir = options.dataDir ?? join(temporaryDirectory('data'), 'data');
    mkdirSync(dataDir, { recursive: true });
    // The embedded database runs as another user when the tests run as root.
    chmodSync(join(dataDir, '..'), 0o755);
    // After the server is gone and before its directory is.
    atEnd(() => stopDatabase(dataDir));
    return new Packhorse(options, dataDir, await launch(options, dataDir, undefined));
  }

  /** Without a slash at the end. */
  get httpUrl(): string {
    return this.#addresses.http.origin;
  }

  get ssh(): { readonly host: string; readonly port: number } {
    const { ssh } = this.#addresses;
    if (ssh === undefined) throw new Error('the SSH door of this server is closed');
    return { host: ssh.hostname, port: Number(ssh.port) };
  }

  /** Without a slash at the end. */
  get gitUrl(): string {
    const { git } = this.#addresses;
    if (git === undefined) throw new Error('the git:// door of this server is closed');
    return `git://${git.host}`;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What the server logged so far. */
  get log(): string {
    return this.#process.stderr;
  }

  /** Waits until the server has logged something. */
  async waitForLog(pattern: RegExp): Promise<void> {
    await this.#process.waitFor(pattern, { stream: 'stderr' });
  }

  /** What the server wrote to standard output: exactly the ready line. */
  get stdout(): string {
    return this.#process.stdout;
  }

  /** Memory of the server process itself. */
  memory(): Memory {
    return processMemory(this.#process.pid);
  }

  /** Memory of the server process and everything it started. */
  treeMemory(): Memory {
    return treeMemory(this.#process.pid);
  }

  /** Host keys as a client sees them, remembered from the first time: a server must keep them over restarts. */
  async knownHosts(): Promise<KnownHosts> {
    this.#knownHosts ??= await KnownHosts.scan(this.ssh.host, this.ssh.port);
    return this.#knownHosts;
  }

  stop(): Promise<Exit> {
    return this.#process.stop();
  }

  /** kill -9 of the server process; its helpers notice by themselves. */
  kill9(): Promise<void> {
    return this.#process.kill9();
  }

  /** Starts the server again, at the same addresses. */
  async restart(): Promise<void> {
    await this.#process.stop();
    const started = await launch(this.#options, this.dataDir, this.#addresses);
    this.#process = started.process;
    this.#addresses = started.addresses;
  }

  tryCli(
    args: readonly string[],
    options: { readonly input?: string; readonly env?: Record<string, string> } = {},
  ): Promise<RunResult> {
    const env = cleanEnvironment({ PACKHORSE_DATA_DIR: this.dataDir, ...options.env });
    return run(process.execPath, [program, ...args], { env, input: options.input ?? '' });
  }

  /** Runs an operator command, which must succeed; returns what it printed, trimmed. */
  async cli(
    args: readonly string[],
    options: { readonly input?: string; readonly env?: Record<string, string> } = {},
  ): Promise<string> {
    const result = await this.tryCli(args, options);
    if (result.code !== 0)
      throw new Error(`packhorse ${args.join(' ')} ended with ${result.code}:\n${result.stderr}`);
    return result.stdout.toString().trim();
  }

  /** Asks the API as the operator of this machine; fails with its errors. */
  async graphql(query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const access = JSON.parse(readFileSync(join(this.dataDir, 'admin.json'), 'utf8')) as {
      readonly token: string;
    };
    const response = await fetch(`${this.httpUrl}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${access.token}` },
      body: JSON.stringify({ query, variables }),
    });
    const answer = (await response.json()) as { readonly data?: unknown; readonly errors?: unknown };
    if (answer.errors !== undefined) throw new Error(`the API answered ${JSON.stringify(answer.errors)}`);
    return answer.data;
  }

  /** Gives somebody a role on OWNER/NAME. */
  async grant(repository: string, login: string, role: 'READER' | 'WRITER' | 'ADMIN'): Promise<void> {
    const [owner, name] = repository.split('/');
    await this.graphql('mutation ($input: GrantRoleInput!) { grantRole(input: $input) { name } }', {
      input: { owner, name, login, role },
    });
  }

  /** Creates a user with a password, a token for reading and writing, and an SSH key. */
  async createPerson(login: string, options: { readonly admin?: boolean } = {}): Promise<Person> {
    const password = `correct horse of ${login}`;
    const admin = options.admin === true ? ['--admin'] : [];
    const user = ['user', 'create', login, '--email', `${login}@example.org`, '--password-stdin', ...admin];
    await this.cli(user, { input: `${password}\n` });
    const key = await newSshKey();
    const [token] = await Promise.all([
      this.createToken(login, 'repo:write'),
      this.cli(['key', 'add', login], { input: `${key.publicKey}\n` }),
    ]);
    return { login, password, token, key };
  }

  createToken(login: string, scope: string, ...more: readonly string[]): Promise<string> {
    return this.cli(['token', 'create', login, '--scope', scope, ...more]);
  }

  async createRepository(name: string, options: NewRepositoryOptions = {}): Promise<void> {
    const format = options.objectFormat === undefined ? [] : ['--object-format', options.objectFormat];
    await this.cli(['repo', 'create', name, ...(options.private === true ? ['--private'] : []), ...format]);
  }

  /** Where the bytes of OWNER/NAME are. The server does not look at them to tell. */
  async repositoryPath(fullName: string): Promise<string> {
    const [owner, name] = fullName.split('/');
    const query = 'query ($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id } }';
    const { repository: info } = (await this.graphql(query, { owner, name })) as {
      readonly repository: { readonly id: string } | null;
    };
    if (info === null) throw new Error(`there is no repository ${fullName}`);
    const path = findDirectory(this.dataDir, `${info.id}.git`) ?? findDirectory(this.dataDir, info.id);
    if (path === undefined) throw new Error(`nothing below ${this.dataDir} is named ${info.id}`);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
    stopDatabase(this.dataDir);
  }
}

interface Started {
  readonly process: RunningProcess;
  readonly addresses: Addresses;
}

async function launch(
  options: PackhorseOptions,
  dataDir: string,
  again: Addresses | undefined,
): Promise<Started> {
  const ports = ['--http-port', again?.http.port ?? '0', '--ssh-port', again?.ssh?.port ?? '0'];
  const optional = Object.entries({
    '--root': options.root,
    '--authorized-keys': options.authorizedKeys,
    '--database-url': options.databaseUrl,
  }).flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
  if (options.anonymousPush === true) optional.push('--anonymous-push');
  if (options.gitDoor !== undefined) optional.push('--git-port', again?.git?.port ?? '0');
  if (options.gitDoor === 'export-all') optional.push('--export-all');
  optional.push(...(options.serveArguments ?? []));
  const directories = ['--data-dir', dataDir, '--cache-dir', join(dataDir, 'cache')];
  const serve = ['serve', ...directories, ...ports, ...optional];
  const [command = '', ...args] = [...(options.wrapper ?? []), program, ...serve];
  const running = startProcess(command, args, { env: cleanEnvironment(options.env) });
  const line = await running.waitFor(/^packhorse ready http=(\S+)(?: ssh=(\S+))?(?: git=(\S+))?\n/);
  const [, http = '', ssh, daemon] = line;
  return {
    process: running,
    addresses: { http: new URL(http), ssh: urlOf(ssh), git: urlOf(daemon) },
  };
}

const urlOf = (text: string | undefined): URL | undefined => (text === undefined ? undefined : new URL(text));

/** Opaque ids are spread over folders, so look for the one that is named like it. */
function findDirectory(below: string, name: string): string | undefined {
  for (const entry of readdirSync(below, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(below, entry.name);
    if (entry.name === name) return path;
    const found =
      entry.name.endsWith('.git') || entry.name === 'postgres' ? undefined : findDirectory(path, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** An embedded database outlives a server that was killed with -9: stop it by its own pid file. */
function stopDatabase(dataDir: string): void {
  if (!existsSync(dataDir)) return;
  for (const file of readdirSync(dataDir, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('postmaster.pid')) continue;
    const pid = Number(readFileSync(join(dataDir, file), 'utf8').split('\n')[0]);
    try {
      process.kill(pid, 'SIGQUIT');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
