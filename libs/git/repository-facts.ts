import type { RepositoryFacts } from './agent.ts';
import type { Storage } from './storage.ts';
import { type Disk, unlessMissing } from './volume/disk.ts';

/** Sizes and counts of what a repository directory holds. */
export async function countFacts(
  disk: Disk,
  gitDir: string,
): Promise<Pick<RepositoryFacts, 'sizeBytes' | 'packs' | 'looseObjects'>> {
  let sizeBytes = 0;
  let packs = 0;
  let looseObjects = 0;
  const visit = async (path: string, below: string): Promise<void> => {
    for (const entry of (await unlessMissing(disk.list(path))) ?? []) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.kind === 'directory') await visit(`${path}/${entry.name}`, name);
      if (entry.kind !== 'file') continue;
      sizeBytes += (await unlessMissing(disk.stamp(`${path}/${entry.name}`)))?.sizeBytes ?? 0;
      if (/^objects\/pack\/pack-[0-9a-f]+\.pack$/.test(name)) packs += 1;
      if (/^objects\/[0-9a-f]{2}\/[0-9a-f]{38,62}$/.test(name)) looseObjects += 1;
    }
  };
  await visit(gitDir, '');
  return { sizeBytes, packs, looseObjects };
}

const maxProblems = 200;

/** Runs `git fsck` over everything. Returns what is wrong, one line each, at most `maxProblems` lines. */
export async function verifyRepository(storage: Storage, gitDir: string): Promise<readonly string[]> {
  const problems: string[] = [];
  let rest = '';
  let leftOut = 0;
  const take = (line: string): void => {
    // A warning is a flaw of an old program, which is in many histories, harms nobody and cannot be mended.
    if (line === '' || /^(?:notice:|warning in \w+ )/.test(line)) return;
    if (problems.length < maxProblems) problems.push(line);
    else leftOut += 1;
  };
  const read = (bytes: Buffer): void => {
    const lines = (rest + bytes.toString()).split(/[\n\r]/);
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  };
  await using running = storage.git.start(
    { gitDir, args: ['fsck', '--full', '--no-dangling', '--no-progress'], onStderr: read },
    { stdin: 'ignore', stdout: 'pipe' },
  );
  running.stdout.on('data', read);
  const exit = await running.exit;
  take(rest);
  if (exit.code !== 0 && problems.length === 0)
    problems.push(`git fsck failed with exit code ${exit.code ?? 'none'}`);
  return leftOut === 0 ? problems : [...problems, `and ${leftOut} more`];
}
