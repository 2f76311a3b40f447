import { git } from '#test/git';
import type { Contestant } from './contestant.ts';
import { userClone } from './user-clone.ts';

/** A client that pushes one small commit after the other to a branch of its own. */
export class CommitPusher {
  readonly #contestant: Contestant;
  readonly #cwd: string;
  #parent: string;
  #count = 0;

  private constructor(contestant: Contestant, cwd: string, parent: string) {
    this.#contestant = contestant;
    this.#cwd = cwd;
    this.#parent = parent;
  }

  /** `repository` is what the server has. */
  static async create(contestant: Contestant, repository: string): Promise<CommitPusher> {
    const cwd = await userClone(repository, contestant.url);
    return new CommitPusher(contestant, cwd, await git(['rev-parse', 'HEAD'], { cwd }));
  }

  /** Makes a commit that changes one file and pushes it; the time of the whole git client in milliseconds. */
  async push(): Promise<number> {
    const [cwd, env] = [this.#cwd, this.#contestant.env];
    this.#count += 1;
    const blob = await git(['hash-object', '-w', '--stdin'], {
      cwd,
      input: `${this.#parent} ${this.#count}\n`,
    });
    await git(['update-index', '--add', '--cacheinfo', `100644,${blob},bench.txt`], { cwd });
    const tree = await git(['write-tree'], { cwd });
    // A commit older than what the server has would have every walk of client and server go back to its date.
    const now = `${Math.floor(Date.now() / 1000)} +0000`;
    this.#parent = await git(['commit-tree', '-p', this.#parent, '-m', `Change ${this.#count}`, tree], {
      cwd,
      env: { GIT_AUTHOR_DATE: now, GIT_COMMITTER_DATE: now },
    });
    const startedMs = performance.now();
    await git(['push', '--quiet', 'origin', `${this.#parent}:refs/heads/bench-push`], { cwd, env });
    return performance.now() - startedMs;
  }
}
