import { rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from '#test/git';
import { temporaryDirectory } from '#test/temporary';

/** What a server keeps beside its packs and never sends: a client makes its own with its first `git gc`. */
const serversOwn = /\.bitmap$|^commit-graphs?$|^multi-pack-index/;

/**
 * What somebody has who cloned from `url` with git's defaults: a pack of its own, tracking branches in
 * packed-refs, an index. Byte for byte what a clone over the network leaves, but with `repository`'s
 * pack linked rather than sent, for that takes a minute. A clone that borrows from the server's own
 * files (`--shared`) would be another thing: it sees the server's bitmap.
 */
export async function userClone(repository: string, url: string): Promise<string> {
  const path = join(temporaryDirectory('bench-clone'), 'clone');
  await git(['clone', '--quiet', '--no-checkout', repository, path]);
  const objects = join(path, '.git', 'objects');
  for (const directory of [join(objects, 'pack'), join(objects, 'info')]) {
    for (const name of await readdir(directory))
      if (serversOwn.test(name)) rmSync(join(directory, name), { recursive: true });
  }
  await git(['remote', 'set-url', 'origin', url], { cwd: path });
  // The files themselves are not looked at by what is measured, the index is.
  await git(['read-tree', 'HEAD'], { cwd: path });
  return path;
}
