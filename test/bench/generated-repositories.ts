import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateRepository, type RepositoryShape } from '#test/generate';
import { git } from '#test/git';
import { removeDirectory } from '#test/temporary';

/** Repositories that are generated once per machine and then kept, each named after what is in it. */

/** About what a middle-sized project has after some years. */
const defaultShape: RepositoryShape = {
  seed: 42,
  commits: 30_000,
  branches: 200,
  tags: 600,
  files: 3_000,
  binaries: { count: 60, sizeBytes: 1024 * 1024 },
};

/** The repository that is measured when none is named. */
export function defaultRepository(): Promise<string> {
  return kept('default', defaultShape, (path) => generateRepository(path, defaultShape));
}

/** A repository with a history of `commits` commits over a few files, on one branch and some others. */
export function repositoryWithCommits(commits: number): Promise<string> {
  const shape: RepositoryShape = { seed: 7, commits, branches: 4, tags: 0, files: 40 };
  return kept(`${commits}-commits`, shape, (path) => generateRepository(path, shape));
}

const commitsBelowRefs = 500;

/** A repository with `main` and `refs` further branches, spread over a small history. */
export function repositoryWithRefs(refs: number): Promise<string> {
  const shape: RepositoryShape = { seed: 8, commits: commitsBelowRefs, branches: 1, tags: 0, files: 10 };
  return kept(`${refs}-refs`, { ...shape, refs }, async (path) => {
    await generateRepository(path, { ...shape, oddNames: false });
    const commits = (await git(['rev-list', 'main'], { cwd: path })).split('\n');
    const main = await git(['rev-parse', 'main'], { cwd: path });
    const refLines = Array.from({ length: refs }, (_, index) => ({
      name: branchNumber(index),
      oid: commits[index % commits.length] ?? main,
    }));
    // As `git pack-refs` would write them (gitrepository-layout), without a file for each first.
    const sorted = [...refLines, { name: 'refs/heads/main', oid: main }].toSorted((one, other) =>
      one.name < other.name ? -1 : 1,
    );
    const header = '# pack-refs with: peeled fully-peeled sorted \n';
    const lines = sorted.map(({ name, oid }) => `${oid} ${name}\n`);
    writeFileSync(join(path, 'packed-refs'), header + lines.join(''));
  });
}

/** The name of one of the branches of `repositoryWithRefs`. */
export function branchNumber(index: number): string {
  return `refs/heads/topic/${String(index % 100).padStart(2, '0')}/${String(index).padStart(6, '0')}`;
}

async function kept(name: string, content: unknown, make: (path: string) => Promise<void>): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12);
  const path = join(tmpdir(), 'packhorse-bench', `${name}-${digest}.git`);
  if (existsSync(path)) return path;
  process.stderr.write(`bench: generating ${path}, once\n`);
  const temporary = `${path}.${process.pid}`;
  mkdirSync(join(path, '..'), { recursive: true });
  try {
    await make(temporary);
    await maintain(temporary);
    renameSync(temporary, path);
  } finally {
    removeDirectory(temporary);
  }
  return path;
}

/** What a well-kept server has: one pack with a bitmap, a commit-graph, packed refs. */
async function maintain(path: string): Promise<void> {
  const options = { cwd: path, timeoutMs: 1_800_000 };
  await git(['repack', '-a', '-d', '-f', '-q', '--write-bitmap-index', '--window=10', '--depth=50'], options);
  await git(['commit-graph', 'write', '--reachable', '--no-progress'], options);
  await git(['pack-refs', '--all'], options);
}
