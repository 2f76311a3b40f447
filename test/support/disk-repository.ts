import { join } from 'node:path';
import { type ObjectFormat, readSettings, type Settings } from '#base';
import { createStorage, DiskRepository, type RepositoryMode, type Storage } from '#git';
import type { ReceivePackRepository, UploadPackRepository } from '#wire';

import { git } from './git.ts';
import { plainObjects } from './plain-objects.ts';
import { temporaryDirectory } from './temporary.ts';

export const pusher = { name: 'Ann Pusher', email: 'ann@example.org' };

/** A new bare repository, made by git itself. */
export async function newBareRepository(format: ObjectFormat = 'sha1'): Promise<string> {
  const path = join(temporaryDirectory('bare'), 'repository.git');
  await git(['init', '--quiet', '--bare', `--object-format=${format}`, path]);
  return path;
}

export function testStorage(
  parts: Parameters<typeof createStorage>[1] = {},
  settings: Partial<Settings['git']> = {},
): Storage {
  return createStorage({ ...readSettings().git, ...settings }, parts);
}

export function openDiskRepository(
  gitDir: string,
  mode: RepositoryMode = 'owned',
  storage: Storage = testStorage(),
): Promise<DiskRepository> {
  return DiskRepository.open(storage, {
    id: gitDir,
    gitDir,
    mode,
    objects: plainObjects(gitDir),
    maxCommands: 100_000,
  });
}

/** Both views of a repository, as the plain doors serve them. */
export async function served(
  repository: DiskRepository,
): Promise<UploadPackRepository & ReceivePackRepository> {
  return { ...(await repository.uploadPack()), ...(await repository.receivePack(pusher)) };
}
