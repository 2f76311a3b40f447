import { PackhorseError, randomId, type Random } from '#base';
import { type Disk, hasErrno, makeDirectories, unlessMissing } from '../volume/disk.ts';

/** How the directories are called; git itself removes what starts like this when it is left over (git-prune). */
export const incomingPrefix = 'tmp_objdir-incoming-';

// The index comes last: a pack is looked at only once it has one.
const order = ['.pack', '.rev', '.idx'];

/** The object directory of one push, beside the repository's own objects, so that moving in is a rename. */
export class IncomingDirectory {
  readonly path: string;
  readonly #disk: Disk;
  readonly #objects: string;

  private constructor(disk: Disk, objects: string, path: string) {
    this.#disk = disk;
    this.#objects = objects;
    this.path = path;
  }

  static async create(disk: Disk, random: Random, objects: string): Promise<IncomingDirectory> {
    const path = `${objects}/${incomingPrefix}${randomId(random)}`;
    await disk.mkdir(path);
    const incoming = new IncomingDirectory(disk, objects, path);
    try {
      await disk.mkdir(`${path}/pack`);
    } catch (error) {
      await incoming.remove().catch(() => undefined);
      throw error;
    }
    return incoming;
  }

  /** What a git process needs to write here and to see the repository's objects too. */
  get environment(): Record<string, string> {
    // Quoted, because a colon would separate two directories.
    const quoted = this.#objects.replace(/["\\]/g, (character) => `\\${character}`);
    return { GIT_OBJECT_DIRECTORY: this.path, GIT_ALTERNATE_OBJECT_DIRECTORIES: `"${quoted}"` };
  }

  /** The path of the one pack that was indexed here, without its extension. */
  async packBase(): Promise<string> {
    const entries = await this.#disk.list(`${this.path}/pack`);
    const index = entries.find((entry) => entry.name.endsWith('.idx'));
    if (index === undefined) throw new PackhorseError('internal', 'A pushed pack was not indexed.');
    return `${this.path}/pack/${index.name.slice(0, -'.idx'.length)}`;
  }

  /** Makes the packs durable and moves them into the repository. After a failure nothing of them is left there. */
  async migrate(): Promise<void> {
    const target = `${this.#objects}/pack`;
    const madeIn = await makeDirectories(this.#disk, target);
    const names = (await this.#disk.list(`${this.path}/pack`))
      .map((entry) => entry.name)
      .filter((name) => rank(name) >= 0)
      .sort((one, other) => rank(one) - rank(other));
    for (const name of names) await this.#disk.syncFile(`${this.path}/pack/${name}`);
    const moved: string[] = [];
    try {
      for (const name of names) {
        if (await this.#moveIn(name, target)) moved.push(`${target}/${name}`);
      }
      for (const directory of [target, ...madeIn]) await this.#disk.syncDirectory(directory);
    } catch (error) {
      for (const path of moved.toReversed()) await this.#disk.unlink(path).catch(() => undefined);
      throw error;
    }
  }

  /** False when the repository has that file already: a pack is named after its content. */
  async #moveIn(name: string, target: string): Promise<boolean> {
    if ((await unlessMissing(this.#disk.stamp(`${target}/${name}`))) !== undefined) return false;
    await this.#disk.rename(`${this.path}/pack/${name}`, `${target}/${name}`);
    return true;
  }

  async remove(): Promise<void> {
    try {
      await this.#disk.removeTree(this.path);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
    }
  }
}

function rank(name: string): number {
  return order.indexOf(name.slice(name.lastIndexOf('.')));
}
