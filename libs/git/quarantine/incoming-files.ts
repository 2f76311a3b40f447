import { randomId, type Random } from '#base';
import { type Disk, forEachBounded, makeDirectories, unlessMissing, writeNewFile } from '../volume/disk.ts';
import { objectFileMode } from './incoming-directory.ts';
import { ownerTag } from './owner.ts';
import type { SmallPack } from './small-pack.ts';

/**
 * Single files beside the objects of a repository, for what needs no directory of its own: making one
 * and removing it again waits for the disk's journal and costs more than all the rest of a small push.
 */

/** How the files start; git itself removes them when they are left over (git-prune). */
const prefix = 'tmp_incoming-';
/** Names the files that the owner had locked, one path for each line. */
const noteExtension = '.locks';
const pattern = /^tmp_incoming-(\d+-\d+-\d+)-[0-9a-z]{26}\.(?:pack|idx|locks)$/;

// A pack is looked at only once it has an index.
const extensions = ['.pack', '.idx'] as const;

/** The owner of one of these files, by its name; undefined for any other file. */
export function ownerOfIncomingFile(name: string): string | undefined {
  return pattern.exec(name)?.[1];
}

/** Whether a file of that name, one of these, says what its owner had locked. */
export function isNoteOfLocks(name: string): boolean {
  return ownerOfIncomingFile(name) !== undefined && name.endsWith(noteExtension);
}

function newPath(random: Random, objects: string): string {
  return `${objects}/${prefix}${ownerTag()}-${randomId(random)}`;
}

/** Makes a pack that was taken in without git durable in a repository. After a failure nothing of it is left there. */
export async function storeSmallPack(
  disk: Disk,
  random: Random,
  objects: string,
  { name, pack, index }: SmallPack,
): Promise<void> {
  const incoming = newPath(random, objects);
  const target = `${objects}/pack/${name}`;
  const contents = { '.pack': pack, '.idx': index };
  const written = new Set<string>();
  try {
    await forEachBounded(extensions, extensions.length, async (extension) => {
      written.add(`${incoming}${extension}`);
      await writeNewFile(disk, `${incoming}${extension}`, contents[extension], objectFileMode);
    });
    const directories = [...(await makeDirectories(disk, `${objects}/pack`)), `${objects}/pack`];
    for (const extension of extensions) {
      // Packs are named after their content: what is there already is the same.
      if (disk.stampNow(`${target}${extension}`) !== undefined) continue;
      await disk.rename(`${incoming}${extension}`, `${target}${extension}`);
      written.delete(`${incoming}${extension}`);
      written.add(`${target}${extension}`);
    }
    for (const directory of directories) await disk.syncDirectory(directory);
    for (const path of written) if (path.startsWith(incoming)) await disk.unlink(path);
  } catch (error) {
    for (const path of [...written].toReversed()) await disk.unlink(path).catch(() => undefined);
    throw error;
  }
}

/** Notes in a file beside the objects which files of a repository are about to be locked, for `recoverIncoming` to find should this process die. */
export async function noteLocks(
  disk: Disk,
  random: Random,
  gitDir: string,
  paths: readonly string[],
): Promise<AsyncDisposable> {
  const path = `${newPath(random, `${gitDir}/objects`)}${noteExtension}`;
  const remove = (): Promise<unknown> => unlessMissing(disk.unlink(path));
  const file = await disk.create(path);
  try {
    await file.write(Buffer.from(paths.map((locked) => `${locked}\n`).join('')));
  } catch (error) {
    await remove().catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  return { [Symbol.asyncDispose]: async () => void (await remove()) };
}
