import { cpSync, existsSync, linkSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { generateRepository, type RepositoryShape } from '#test/generate';
import { git } from '#test/git';
import { removeDirectory } from '#test/temporary';

/** About what a middle-sized project has after some years. */
const defaultShape: RepositoryShape = {
  seed: 42,
  commits: 30_000,
  branches: 200,
  tags: 600,
  files: 3_000,
  binaries: { count: 60, sizeBytes: 1024 * 1024 },
};

/** The repository that is measured when none is named: generated once per machine, then kept. */
export async function defaultRepository(say: (text: string) => void): Promise<string> {
  const cache =
    process.env['PACKHORSE_CACHE_DIR'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'packhorse');
  const path = join(cache, 'bench', `seed-${defaultShape.seed}-${defaultShape.commits}.git`);
  if (existsSync(path)) return path;
  say(`generating the default repository, once: ${path}`);
  const temporary = `${path}.${process.pid}`;
  mkdirSync(join(path, '..'), { recursive: true });
  try {
    await generateRepository(temporary, defaultShape);
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

/**
 * A copy with exactly the same layout on disk, so that every server finds the same packs, bitmaps
 * and graphs. Packs never change and are shared as hard links, which keeps the page cache fair.
 */
export function copyRepository(source: string, target: string): void {
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(source)) {
    if (entry !== 'objects') cpSync(join(source, entry), join(target, entry), { recursive: true });
  }
  linkTree(join(source, 'objects'), join(target, 'objects'));
}

function linkTree(source: string, target: string): void {
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    if (entry.isDirectory()) linkTree(from, to);
    else linkOrCopy(from, to);
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    cpSync(from, to);
  }
}
