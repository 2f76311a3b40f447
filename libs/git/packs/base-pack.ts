import { basename } from 'node:path';
import type { ObjectFormat } from '#base';
import { alternateObjectDirectories } from '../alternates.ts';
import type { Storage } from '../storage.ts';
import { type FileStamp, unlessMissing } from '../volume/disk.ts';

/** A pack on disk that most of a full clone can be copied from. */
export interface BasePack {
  readonly path: string;
  readonly stamp: FileStamp;
  readonly indexPath: string;
  /** Some bitmap answers quickly what is reachable. */
  readonly hasBitmap: boolean;
  /** It has a bitmap itself, which git only writes for a pack that has everything its objects lead to. */
  readonly isClosed: boolean;
}

/** The largest pack of a repository and of those it borrows from; undefined when none is larger than `minBytes`. */
export async function largestPack(
  storage: Storage,
  gitDir: string,
  minBytes: number,
): Promise<BasePack | undefined> {
  const { disk } = storage;
  const directories = [`${gitDir}/objects`, ...(await alternateObjectDirectories(storage, gitDir))];
  let largest: BasePack | undefined;
  for (const objects of directories) {
    const entries = (await unlessMissing(disk.list(`${objects}/pack`))) ?? [];
    const names = new Set(entries.map(({ name }) => name));
    const hasSharedBitmap = [...names].some((name) => /^multi-pack-index-[0-9a-f]+\.bitmap$/.test(name));
    for (const name of names) {
      if (!/^pack-[0-9a-f]+\.pack$/.test(name)) continue;
      const stem = basename(name, '.pack');
      // Packs of promised objects and of unreachable ones are never the whole of anything.
      if (!names.has(`${stem}.idx`) || names.has(`${stem}.promisor`) || names.has(`${stem}.mtimes`)) continue;
      const path = `${objects}/pack/${name}`;
      const stamp = await unlessMissing(disk.stamp(path));
      if (stamp?.kind !== 'file' || stamp.sizeBytes < Math.max(minBytes, largest?.stamp.sizeBytes ?? 0))
        continue;
      const isClosed = names.has(`${stem}.bitmap`);
      const indexPath = `${objects}/pack/${stem}.idx`;
      largest = { path, stamp, indexPath, isClosed, hasBitmap: isClosed || hasSharedBitmap };
    }
  }
  return largest;
}

/** Length of a pack's header (gitformat-pack). */
export const packHeaderBytes = 12;

/** Length of the checksum at a pack's end. */
export function trailerBytes(format: ObjectFormat): number {
  return format === 'sha1' ? 20 : 32;
}

/** The header of a pack of `count` objects. */
export function packHeader(count: number): Buffer {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  header.writeUInt32BE(count, 8);
  return header;
}

/** True when both are the same file with the same content. */
export function isSamePack(one: BasePack, other: BasePack): boolean {
  const [a, b] = [one.stamp, other.stamp];
  const isSameFile = a.inode === b.inode && a.sizeBytes === b.sizeBytes && a.mtimeMs === b.mtimeMs;
  return one.path === other.path && isSameFile;
}
