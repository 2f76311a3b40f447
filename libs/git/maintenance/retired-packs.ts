import { type Random, randomId } from '#base';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';
import { type Disk, unlessMissing } from '../volume/disk.ts';
import type { MaintenanceTask } from './repack.ts';

/** The index first: a pack without one is no pack, so nobody finds half of one. */
const extensions = ['idx', 'bitmap', 'rev', 'mtimes', 'pack'] as const;

/** Removes packs whose objects are in others. */
export async function removePacks(disk: Disk, gitDir: string, names: readonly string[]): Promise<void> {
  const directory = `${gitDir}/objects/pack`;
  for (const name of names) {
    for (const extension of extensions) await unlessMissing(disk.unlink(`${directory}/${name}.${extension}`));
  }
  if (names.length > 0) await disk.syncDirectory(directory);
}

/**
 * True when everything that `tips` reach is there without the packs `without`; what `knownTips`
 * reach is known to be. A push may have named objects that were about to go for being unreachable.
 */
export async function isCompleteWithout(
  storage: Storage,
  task: Pick<MaintenanceTask, 'gitDir' | 'signal'>,
  without: ReadonlySet<string>,
  tips: readonly string[],
  knownTips: readonly string[],
): Promise<boolean> {
  const known = new Set(knownTips);
  const unknown = [...new Set(tips)].filter((oid) => !known.has(oid));
  if (unknown.length === 0) return true;
  const objects = await ObjectView.create(storage, task.gitDir, without);
  try {
    const result = await storage.git.run({
      gitDir: task.gitDir,
      // No graph either: it may know commits that the packs do not have.
      config: { 'core.commitGraph': 'false' },
      args: ['rev-list', '--objects', '--stdin', '--quiet'],
      environment: { GIT_OBJECT_DIRECTORY: objects.path },
      input: lines([...unknown, ...Array.from(known, (oid) => `^${oid}`)]),
      okCodes: [0, 1, 128],
      signal: task.signal,
    });
    return result.code === 0;
  } finally {
    await objects.remove();
  }
}

/** An object directory made of links to the files of another one, but for some packs. */
class ObjectView {
  readonly path: string;
  readonly #disk: Disk;

  private constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.path = path;
  }

  static async create(
    { disk, random }: { readonly disk: Disk; readonly random: Random },
    gitDir: string,
    without: ReadonlySet<string>,
  ): Promise<ObjectView> {
    const objects = `${gitDir}/objects`;
    const view = new ObjectView(disk, `${objects}/tmp_objdir-maintenance-${randomId(random)}`);
    await disk.mkdir(view.path);
    try {
      await disk.mkdir(`${view.path}/pack`);
      for (const { name } of await disk.list(`${objects}/pack`)) {
        const [pack = '', extension = ''] = name.split('.', 2);
        if (!/^(?:idx|pack|rev)$/.test(extension) || without.has(pack)) continue;
        await unlessMissing(disk.link(`${objects}/pack/${name}`, `${view.path}/pack/${name}`));
      }
      return view;
    } catch (error) {
      await view.remove().catch(() => undefined);
      throw error;
    }
  }

  async remove(): Promise<void> {
    await this.#disk.removeTree(this.path);
  }
}
