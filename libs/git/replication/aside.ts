import { isZeroOid } from '#base';
import type { RefCommand } from '#wire';
import type { Storage } from '../storage.ts';
import { makeDirectories, writeNewFile } from '../volume/disk.ts';
import { placeOf } from '../volume/layout.ts';
import type { CopyState } from './copy-state.ts';

/** Where a volume keeps what a replaced primary alone had, by repository and time. */
export const asideDirectory = 'aside';

/**
 * Keeps what `commands` are going to take away: the values of refs that a former primary had when
 * another copy took its place, which no client was told had been accepted. They go into a bundle
 * (gitformat-bundle) beside a note, for an operator to look at; nothing removes them.
 */
export async function keepAside(
  storage: Storage,
  gitDir: string,
  commands: readonly RefCommand[],
  state: CopyState,
): Promise<void> {
  const place = placeOf(gitDir);
  const lost = commands.filter(({ oldOid }) => !isZeroOid(oldOid));
  if (place === undefined || lost.length === 0) return;
  const { disk, git, clock } = storage;
  const directory = `${place.volume}/${asideDirectory}/${place.id}`;
  await makeDirectories(disk, directory);
  const base = `${directory}/${new Date(clock.nowMs()).toISOString().replaceAll(':', '-')}`;
  const { epoch, generation } = state;
  const note = { repositoryId: place.id, epoch, generation, refs: lost };
  await writeNewFile(disk, `${base}.json`, Buffer.from(`${JSON.stringify(note, undefined, 2)}\n`));
  // The refs still have their old values, and the new ones are objects here already.
  await git.run({
    gitDir,
    args: ['bundle', 'create', '--quiet', `${base}.bundle`, ...lost.map(({ name }) => name)],
    okCodes: [0, 128],
  });
  await disk.syncDirectory(directory);
}
