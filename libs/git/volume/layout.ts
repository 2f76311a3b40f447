import { basename, dirname, join } from 'node:path';

/** Where things are in a volume directory; docs/on-disk.md describes the same for people. */
export const volumeLayout = {
  identity: 'volume.json',
  lock: 'lock',
  repositories: 'repositories',
  /** Repositories that are being created; a rename publishes them. */
  incoming: 'incoming',
  /** Repositories that are being deleted. */
  trash: 'trash',
  /** One empty file per change under way, named `<repository id>.<random id>`. */
  busy: 'busy',
} as const;

const idPattern = /^[0-9a-z]{8,64}$/;

/** True for what may name a repository on disk: never anything that a user typed. */
export function isRepositoryId(id: string): boolean {
  return idPattern.test(id);
}

/** The directory of a repository; two levels of shards keep directories small. */
export function repositoryPath(volume: string, id: string): string {
  return join(volume, volumeLayout.repositories, id.slice(0, 2), id.slice(2, 4), `${id}.git`);
}

/** The volume and id that a repository directory belongs to; undefined when it is not in a volume. */
export function placeOf(gitDir: string): { readonly volume: string; readonly id: string } | undefined {
  const id = basename(gitDir, '.git');
  const volume = dirname(dirname(dirname(dirname(gitDir))));
  return isRepositoryId(id) && repositoryPath(volume, id) === gitDir ? { volume, id } : undefined;
}
