import { lstatSync, readFileSync, realpathSync, statSync, type Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PackhorseError, TurnMemo } from '#base';
import type { PublishedFile, LocalAgent, RepositoryPools } from '#git';
import type { FileGateway, FileRequest, GitGateway, GitRequest, GitSession } from './gateway.ts';
import { AgentSession, type SessionContext } from './git-session.ts';
import { authoriseFiles, authoriseInRoot, type RootAccessOptions } from './root-access.ts';
import type { SessionLimits } from './session-limits.ts';

export interface RootOptions extends RootAccessOptions {
  /** Absolute path of the directory whose repositories are served. */
  readonly root: string;
  /** The same directory as an operator names it, where that is another path, such as a symbolic link. */
  readonly rootName?: string;
}

interface Located {
  readonly agent: LocalAgent;
  readonly gitDir: string;
}

const notFound = (): PackhorseError => new PackhorseError('not_found', 'There is no repository here.');

/** The order in which Git looks for a repository behind a path (path.c, enter_repo). */
const suffixes = ['/.git', '', '.git/.git', '.git'] as const;

/** The gateway of `serve --root`: a plain directory tree and no accounts; each repository's own configuration decides. */
export class RootGitGateway implements GitGateway, FileGateway {
  readonly #options: RootOptions;
  readonly #pools: RepositoryPools;
  readonly #limits: SessionLimits;
  readonly #context: SessionContext;
  /** What is where, for all requests that are answered together; who may do what is decided for each. */
  readonly #located = new TurnMemo<string, Located | undefined>();

  constructor(options: RootOptions, pools: RepositoryPools, limits: SessionLimits, context: SessionContext) {
    this.#options = options;
    this.#pools = pools;
    this.#limits = limits;
    this.#context = context;
  }

  async open(request: GitRequest): Promise<GitSession> {
    const { agent, gitDir } = this.#find(request);
    await authoriseInRoot(request, agent, gitDir, this.#options);
    const leave = this.#limits.enter(request.remoteAddress);
    return new AgentSession(request, agent, this.#context, leave);
  }

  /**
   * Over SSH and git:// a path may also be one of the file system, as for git-shell and for git daemon
   * without --base-path, as long as it leads below the root.
   */
  #find({ path, transport }: GitRequest): Located {
    const found = this.#locate(path);
    if (found !== undefined) return found;
    for (const root of transport === 'http' ? [] : [this.#options.root, this.#options.rootName]) {
      if (root === undefined || !`/${path}`.startsWith(`${root}/`)) continue;
      const below = this.#locate(path.slice(root.length));
      if (below !== undefined) return below;
    }
    throw notFound();
  }

  async openFile({ path, name, remoteAddress }: FileRequest): Promise<PublishedFile> {
    const located = this.#locate(path);
    if (located === undefined) throw notFound();
    const { agent } = located;
    await authoriseFiles(agent);
    const leave = this.#limits.enter(remoteAddress);
    try {
      const file = await agent.publishedFile(name);
      const close = async (): Promise<void> => {
        leave();
        await file[Symbol.asyncDispose]();
      };
      return { ...file, [Symbol.asyncDispose]: close };
    } catch (thrown) {
      leave();
      throw thrown;
    }
  }

  #locate(path: string): Located | undefined {
    return this.#located.get(path, () => this.#lookFor(path));
  }

  #lookFor(path: string): Located | undefined {
    const segments = path.split('/').filter((segment) => segment !== '');
    const hostile = segments.some((segment) => segment === '..' || segment === '.' || segment.includes('\0'));
    if (segments.length === 0 || hostile) return undefined;
    for (const suffix of suffixes) {
      const path = join(this.#options.root, ...segments) + suffix;
      const stats = lookUp(path);
      if (stats === undefined) continue;
      const gitDir = stats.isFile() ? this.#followGitfile(path) : path;
      const id = gitDir === undefined ? undefined : identityOf(gitDir, gitDir === path ? stats : undefined);
      if (gitDir === undefined || id === undefined) continue;
      return { agent: this.#pools.agent({ id, path: gitDir, mode: 'shared' }), gitDir };
    }
    return undefined;
  }

  /** Where a `gitdir:` file leads (gitrepository-layout): only below the root, for it could name any place. */
  #followGitfile(path: string): string | undefined {
    const named = readPointer(path, 'gitdir: ');
    if (named === undefined) return undefined;
    // A linked work tree has a HEAD of its own and everything else of the repository it is linked to.
    const places = [named, readPointer(`${named}/commondir`, '') ?? named];
    const root = `${this.#options.root}/`.replace('//', '/');
    return places.every((place) => place.startsWith(root)) ? named : undefined;
  }
}

const maxPointerBytes = 4096;

/** The path that a small file holds behind `prefix`, seen from that file. */
function readPointer(file: string, prefix: string): string | undefined {
  const stats = lookUp(file);
  if (stats?.isFile() !== true || stats.size > maxPointerBytes) return undefined;
  const text = readFileSync(file, 'utf8').trimEnd();
  if (!text.startsWith(prefix) || text.length === prefix.length) return undefined;
  return resolve(realpathSync(dirname(file)), text.slice(prefix.length));
}

/**
 * What tells one repository from the next at the same path: a directory that was removed and
 * created again has another inode or birth time. undefined when it does not look like a repository.
 */
function identityOf(path: string, directory = lookUp(path)): string | undefined {
  if (directory?.isDirectory() !== true) return undefined;
  if (!hasHead(path)) return undefined;
  if (lookUp(`${path}/objects`) === undefined && lookUp(`${path}/commondir`) === undefined) return undefined;
  return `${path}:${directory.dev}:${directory.ino}:${directory.birthtimeMs}`;
}

/** As a symbolic link, which old programs made, it may lead to a branch that is not born yet. */
function hasHead(path: string): boolean {
  if (lookUp(`${path}/HEAD`)?.isFile() === true) return true;
  return lstatSync(`${path}/HEAD`, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/** Every request asks this, of names that the kernel knows by heart: at once, as the way through the thread pool takes fifty times as long. */
function lookUp(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOTDIR') return undefined;
    throw new PackhorseError('unavailable', 'The repository cannot be read right now.', { cause: thrown });
  }
}
