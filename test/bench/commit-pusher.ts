import { join } from 'node:path';
import { git } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import type { Contestant } from './contestant.ts';

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

  /** `repository` is what the server has; its objects are borrowed, not copied. */
  static async create(contestant: Contestant, repository: string): Promise<CommitPusher> {
    const cwd = join(temporaryDirectory('bench-pusher'), 'pusher.git');
    await git(['clone', '--quiet', '--bare', '--shared', repository, cwd]);
    // The server's bitmap is borrowed with its pack; a client has none, and reading it grows with history.
    await git(['config', 'pack.useBitmaps', 'false'], { cwd });
    return new CommitPusher(contestant, cwd, await git(['rev-parse', 'HEAD'], { cwd }));
  }

  /** Makes a commit and pushes it; the time of the whole git client in milliseconds. */
  async push(): Promise<number> {
    const [cwd, env] = [this.#cwd, this.#contestant.env];
    this.#count += 1;
    const blob = await git(['hash-object', '-w', '--stdin'], {
      cwd,
      input: `${this.#parent} ${this.#count}\n`,
    });
    const tree = await git(['mktree'], { cwd, input: `100644 blob ${blob}\tfile.txt\n` });
    this.#parent = await git(['commit-tree', '-p', this.#parent, '-m', `Change ${this.#count}`, tree], {
      cwd,
    });
    const refspec = `${this.#parent}:refs/heads/bench-push`;
    const startedMs = performance.now();
    await git(['push', '--quiet', this.#contestant.url, refspec], { cwd, env });
    return performance.now() - startedMs;
  }
}
