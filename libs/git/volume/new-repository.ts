import type { ObjectFormat } from '#base';
import { type Disk, writeNewFile } from './disk.ts';

export interface NewRepositoryOptions {
  readonly objectFormat: ObjectFormat;
  /** Short name of the branch that HEAD names from the start, such as `main`. */
  readonly defaultBranch: string;
}

const directories = ['info', 'objects', 'objects/info', 'objects/pack', 'refs', 'refs/heads', 'refs/tags'];

/** What `git init --bare` writes, plus a reflog for every ref (git-config, core.logAllRefUpdates). */
function configText(objectFormat: ObjectFormat): string {
  const isSha1 = objectFormat === 'sha1';
  return [
    '[core]',
    `\trepositoryformatversion = ${isSha1 ? 0 : 1}`,
    '\tfilemode = true',
    '\tbare = true',
    '\tlogAllRefUpdates = always',
    ...(isSha1 ? [] : ['[extensions]', '\tobjectFormat = sha256']),
    '',
  ].join('\n');
}

/** Writes an empty bare repository to a path that does not exist yet, every file and name of it durable but its own. */
export async function writeEmptyRepository(
  disk: Disk,
  path: string,
  options: NewRepositoryOptions,
): Promise<void> {
  await disk.mkdir(path);
  for (const directory of directories) await disk.mkdir(`${path}/${directory}`);
  await writeNewFile(disk, `${path}/config`, Buffer.from(configText(options.objectFormat)));
  await writeNewFile(disk, `${path}/HEAD`, Buffer.from(`ref: refs/heads/${options.defaultBranch}\n`));
  await Promise.all(
    [path, ...directories.map((directory) => `${path}/${directory}`)].map((each) => disk.syncDirectory(each)),
  );
}
