import { type Disk, unlessMissing } from '../volume/disk.ts';
import { ownerOfIncomingDirectory } from './incoming-directory.ts';
import { isNoteOfLocks, ownerOfIncomingFile } from './incoming-files.ts';
import { isOwnerAlive } from './owner.ts';

/** A lock is taken and used within this time after it was noted. */
const lockLifeMs = 60_000;

/**
 * Removes what servers that are gone left in a repository that others use as well: the incoming
 * directories and files, and the locks that they noted. Of a process in another container nothing can be
 * known, so what it left stays for `graceMs`.
 */
export async function recoverIncoming(
  disk: Disk,
  gitDir: string,
  nowMs: number,
  graceMs: number,
): Promise<void> {
  for (const { name } of (await unlessMissing(disk.list(`${gitDir}/objects`))) ?? []) {
    const owner = ownerOfIncomingDirectory(name) ?? ownerOfIncomingFile(name);
    if (owner === undefined) continue;
    const path = `${gitDir}/objects/${name}`;
    const stamp = await unlessMissing(disk.stamp(path));
    if (stamp === undefined || (isOwnerAlive(owner) ?? nowMs - stamp.mtimeMs < graceMs)) continue;
    if (isNoteOfLocks(name)) await removeLocks(disk, gitDir, path);
    await disk.removeTree(path);
  }
}

async function removeLocks(disk: Disk, gitDir: string, note: string): Promise<void> {
  const noted = await unlessMissing(disk.stamp(note));
  const text = await unlessMissing(disk.read(note));
  if (noted === undefined || text === undefined) return;
  for (const line of text.toString().split('\n')) {
    if (line === '' || line.split('/').includes('..')) continue;
    const lock = `${gitDir}/${line}.lock`;
    const stamp = await unlessMissing(disk.stamp(lock));
    // A later one belongs to somebody who came after.
    if (stamp !== undefined && stamp.mtimeMs < noted.mtimeMs + lockLifeMs)
      await unlessMissing(disk.unlink(lock));
  }
}
