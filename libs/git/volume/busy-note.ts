import { randomId, type Random } from '#base';
import { type Disk, unlessMissing } from './disk.ts';
import { placeOf, volumeLayout } from './layout.ts';

/**
 * Notes in the volume that a change of a repository is under way, so that a server that starts
 * after a crash knows where to tidy up without looking into every repository. The note is a file
 * name and nothing more; it is durable before anything that it leads to. Without a volume (`--root`) there is no note.
 */
export async function noteBusy(disk: Disk, random: Random, gitDir: string): Promise<AsyncDisposable> {
  const place = placeOf(gitDir);
  if (place === undefined) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const path = `${place.volume}/${volumeLayout.busy}/${place.id}.${randomId(random)}`;
  const remove = async (): Promise<void> => await unlessMissing(disk.unlink(path));
  const file = await disk.create(path);
  try {
    await file.close();
    await disk.syncDirectory(`${place.volume}/${volumeLayout.busy}`);
  } catch (error) {
    await remove().catch(() => undefined);
    throw error;
  }
  return { [Symbol.asyncDispose]: remove };
}
