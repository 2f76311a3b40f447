import type { Disk, FileStamp } from './disk.ts';

/** A file or directory as it was when something was read from it. */
export interface SeenFile {
  /** undefined: it was not there. */
  readonly stamp: FileStamp | undefined;
  /** The clock before reading. */
  readonly readAtMs: number;
}

export interface SeenPath {
  readonly path: string;
  readonly seen: SeenFile;
}

/**
 * How fresh a time stamp may be for another change to hide behind the same stamp: some ticks of the
 * kernel's clock, or more than two seconds where the file system keeps whole seconds only.
 */
const tickMs = 50;
const coarseTickMs = 2_500;

function racyMs(stamp: FileStamp): number {
  return stamp.mtimeMs % 1000 === 0 || stamp.ctimeMs % 1000 === 0 ? coarseTickMs : tickMs;
}

/** True when nothing can have changed between what was seen and what the disk says `now`. */
export function isUnchanged({ stamp, readAtMs }: SeenFile, now: FileStamp | undefined): boolean {
  if (stamp === undefined || now === undefined) return stamp === now;
  return (
    stamp.inode === now.inode &&
    stamp.sizeBytes === now.sizeBytes &&
    stamp.mtimeMs === now.mtimeMs &&
    stamp.ctimeMs === now.ctimeMs &&
    Math.max(now.mtimeMs, now.ctimeMs) < readAtMs - racyMs(now)
  );
}

/** How many are asked about before others get their turn. */
const stampsPerTurn = 256;

/**
 * True when all of `paths` are as they were seen. They are asked about one after the other, at once:
 * the kernel still knows names that were read before, so each takes a microsecond, where a trip
 * through the thread pool takes fifty. This is what every request to a shared repository waits for.
 */
export async function areUnchanged(disk: Disk, paths: readonly SeenPath[]): Promise<boolean> {
  for (let index = 0; index < paths.length; index += 1) {
    if (index > 0 && index % stampsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    const entry = paths[index];
    if (entry !== undefined && !isUnchanged(entry.seen, disk.stampNow(entry.path))) return false;
  }
  return true;
}
