import { statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { PackhorseError } from '#base';
import type { PublishedFile, RepositoryAgent, RepositoryPools } from '#git';
import type { FileGateway, FileRequest, GitGateway, GitRequest, GitSession } from './gateway.ts';
import { AgentSession, type SessionContext } from './git-session.ts';
import { authoriseFiles, authoriseInRoot, type RootAccessOptions } from './root-access.ts';
import type { SessionLimits } from './session-limits.ts';

export interface RootOptions extends RootAccessOptions {
  /** Absolute path of the directory whose repositories are served. */
  readonly root: string;
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

  constructor(options: RootOptions, pools: RepositoryPools, limits: SessionLimits, context: SessionContext) {
    this.#options = options;
    this.#pools = pools;
    this.#limits = limits;
    this.#context = context;
  }

  async open(request: GitRequest): Promise<GitSession> {
    const { agent, gitDir } = this.#locate(request.path);
    await authoriseInRoot(request, agent, gitDir, this.#options);
    const leave = this.#limits.enter(request.remoteAddress);
    return new AgentSession(request, agent, this.#context, leave);
  }

  async openFile({ path, name, remoteAddress }: FileRequest): Promise<PublishedFile> {
    const { agent } = this.#locate(path);
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

  #locate(path: string): { readonly agent: RepositoryAgent; readonly gitDir: string } {
    const segments = path.split('/').filter((segment) => segment !== '');
    const hostile = segments.some((segment) => segment === '..' || segment === '.' || segment.includes('\0'));
    if (segments.length === 0 || hostile) throw notFound();
    for (const suffix of suffixes) {
      const gitDir = join(this.#options.root, ...segments) + suffix;
      const id = identityOf(gitDir);
      if (id !== undefined) return { agent: this.#pools.agent({ id, path: gitDir, mode: 'shared' }), gitDir };
    }
    throw notFound();
  }
}

/**
 * What tells one repository from the next at the same path: a directory that was removed and
 * created again has another inode or birth time. undefined when it does not look like a repository.
 */
function identityOf(path: string): string | undefined {
  const directory = lookUp(path);
  if (directory?.isDirectory() !== true) return undefined;
  if (lookUp(`${path}/HEAD`)?.isFile() !== true || lookUp(`${path}/objects`) === undefined) return undefined;
  return `${path}:${directory.dev}:${directory.ino}:${directory.birthtimeMs}`;
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
