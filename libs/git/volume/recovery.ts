import { type Disk, unlessMissing } from './disk.ts';

// Whatever is written in several steps is written under such a name first.
const leftovers: readonly (readonly [directory: string, pattern: RegExp])[] = [
  ['.', /^(?:HEAD|packed-refs|config|shallow)\.lock$|^packed-refs\.new$/],
  ['objects', /^tmp_objdir-|^tmp_incoming-|^incoming-/],
  ['objects/pack', /^tmp_|^\.tmp-/],
  ['objects/info', /\.lock$|^tmp_/],
];

/**
 * Removes what an interrupted server or one of its git processes left in a repository: quarantines,
 * unfinished packs and lock files. Only for a repository that nobody else writes to. What was last
 * changed at `beforeMs` or later is left alone: it may belong to the running server.
 * Returns how many things were removed.
 */
export async function recoverRepository(disk: Disk, gitDir: string, beforeMs = Infinity): Promise<number> {
  let removed = 0;
  for (const [directory, pattern] of leftovers)
    removed += await removeOld(disk, `${gitDir}/${directory}`, pattern, beforeMs);
  return removed + (await removeLocks(disk, `${gitDir}/refs`, beforeMs));
}

async function removeOld(disk: Disk, directory: string, pattern: RegExp, beforeMs: number): Promise<number> {
  let removed = 0;
  for (const { name } of (await unlessMissing(disk.list(directory))) ?? []) {
    if (!pattern.test(name)) continue;
    const stamp = await unlessMissing(disk.stamp(`${directory}/${name}`));
    if (stamp === undefined || stamp.mtimeMs >= beforeMs) continue;
    await disk.removeTree(`${directory}/${name}`);
    removed += 1;
  }
  return removed;
}

async function removeLocks(disk: Disk, directory: string, beforeMs: number): Promise<number> {
  let removed = await removeOld(disk, directory, /\.lock$/, beforeMs);
  for (const entry of (await unlessMissing(disk.list(directory))) ?? []) {
    if (entry.kind === 'directory')
      removed += await removeLocks(disk, `${directory}/${entry.name}`, beforeMs);
  }
  return removed;
}
