import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { as, type Door, type Remote } from '#test/doors';
import { generateRepository, type RepositoryShape } from '#test/generate';
import { git, tryGit } from '#test/git';
import { StallingProxy } from '#test/stalling-proxy';
import { type NewRepositoryOptions, Packhorse, type PackhorseOptions, type Person } from '#test/packhorse';
import { temporaryDirectory } from '#test/temporary';

/** A small history with everything in it: branches, merges, all kinds of tags, odd names, binaries. */
export const smallShape: RepositoryShape = {
  seed: 1,
  commits: 300,
  branches: 12,
  tags: 16,
  files: 40,
  binaries: { count: 2, sizeBytes: 200_000 },
};

/** A repository on the server and how its owner reaches it through one door. */
export interface Served extends Remote {
  /** `OWNER/NAME`. */
  readonly name: string;
}

/** A running server with one person on it: where most suites begin. */
export class Scene implements AsyncDisposable {
  readonly packhorse: Packhorse;
  readonly owner: Person;
  #repositories = 0;

  private constructor(packhorse: Packhorse, owner: Person) {
    this.packhorse = packhorse;
    this.owner = owner;
  }

  static async start(options: PackhorseOptions = {}): Promise<Scene> {
    const packhorse = await Packhorse.start(options);
    return new Scene(packhorse, await packhorse.createPerson('olivia'));
  }

  /** A new, empty repository of the owner. */
  async empty(door: Door, options: NewRepositoryOptions = {}): Promise<Served> {
    this.#repositories += 1;
    const name = `${this.owner.login}/repository-${this.#repositories}`;
    await this.packhorse.createRepository(name, options);
    return { name, ...(await door.remote(this.packhorse, this.owner, `${name}.git`)) };
  }

  /** A new repository with everything that `source` has. */
  async filled(door: Door, source: string, options: NewRepositoryOptions = {}): Promise<Served> {
    const served = await this.empty(door, options);
    await git(['push', '--quiet', '--mirror', served.url], as(served, { cwd: source }));
    return served;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.packhorse[Symbol.asyncDispose]();
  }
}

/** Generates a bare repository in a temporary directory; returns its path. */
export async function generated(shape: RepositoryShape = smallShape): Promise<string> {
  const path = join(temporaryDirectory('generated'), 'source.git');
  await generateRepository(path, shape);
  return path;
}

/** Clones into a fresh directory with git's own words on what happened; returns the directory. */
export async function clone(remote: Remote, ...args: readonly string[]): Promise<string> {
  const path = join(temporaryDirectory('clone'), 'clone');
  await git(['clone', '--quiet', ...args, remote.url, path], as(remote));
  return path;
}

/** What the server advertises, `name oid` by line, HEAD and peeled tags included. */
export async function advertised(remote: Remote): Promise<string> {
  return git(['ls-remote', '--quiet', remote.url], as(remote));
}

/** Packet trace lines of a git command that must succeed: what really went over the wire. */
export async function traced(args: readonly string[], remote: Remote, cwd?: string): Promise<string[]> {
  const options = as(remote, { env: { GIT_TRACE_PACKET: '1' }, ...(cwd === undefined ? {} : { cwd }) });
  const result = await tryGit(args, options);
  if (result.code !== 0)
    throw new Error(`git ${args.join(' ')} ended with ${result.code}:\n${result.stderr}`);
  return result.stderr.split('\n').filter((line) => line.includes('packet:'));
}

/** A remote whose pushes stand still after `bytes`, until they are resumed or killed. */
export interface Stalled extends AsyncDisposable {
  readonly proxy: StallingProxy;
  readonly remote: Remote;
}

export async function stalling(scene: Scene, door: Door, remote: Remote, bytes: number): Promise<Stalled> {
  const { packhorse } = scene;
  const http = new URL(packhorse.httpUrl);
  const target = door.name === 'http' ? { host: http.hostname, port: Number(http.port) } : packhorse.ssh;
  const proxy = await StallingProxy.start(target, bytes);
  const url = remote.url.replace(`:${target.port}/`, `:${proxy.port}/`);
  return {
    proxy,
    remote: { url, env: remote.env },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

/** Adds values to a repository's own configuration. */
export async function configure(path: string, values: Readonly<Record<string, string>>): Promise<void> {
  for (const [key, value] of Object.entries(values))
    await git(['config', '--add', key, value], { cwd: path });
}

/** Ids of all objects that are in a clone, without asking for those that are missing. */
export async function objectsIn(path: string): Promise<string> {
  const args = ['cat-file', '--batch-all-objects', '--batch-check=%(objectname) %(objecttype)'];
  return await git(args, { cwd: path, env: { GIT_NO_LAZY_FETCH: '1' } });
}

/** Where the history of a clone is cut off. */
export function shallowFile(gitDir: string): string {
  const path = join(gitDir, 'shallow');
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n').sort().join() : '';
}

/** One filter of every kind (git-rev-list(1), `--filter`), for a history whose `main:sparse` is the object `sparse`. */
export function everyFilter(sparse: string): readonly string[] {
  return [
    'blob:none',
    'blob:limit=200',
    'tree:0',
    'tree:2',
    `sparse:oid=${sparse}`,
    'sparse:oid=main:sparse',
    'object:type=commit',
    'object:type=tree',
    'object:type=blob',
    'combine:blob:none+tree:3',
    'combine:blob%3Alimit=200+sparse:oid=main%3Asparse',
  ];
}
