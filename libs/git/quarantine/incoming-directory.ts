import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { type Oid, PackhorseError, randomId, type Random } from '#base';
import type { RawObject } from '../objects/raw.ts';
import { type Disk, forEachBounded, hasErrno, makeDirectories, unlessMissing } from '../volume/disk.ts';
import { ownerTag } from './owner.ts';
import type { SmallPack } from './small-pack.ts';

const compress = promisify(deflate);

/** How the directories start; git itself removes them when they are left over (git-prune). */
const prefix = 'tmp_objdir-incoming-';
const pattern = /^tmp_objdir-incoming-(\d+-\d+-\d+)-[0-9a-z]{26}$/;

/** The owner of such a directory, by its name; undefined for anything else. */
export function ownerOfIncomingDirectory(name: string): string | undefined {
  return pattern.exec(name)?.[1];
}

// The index comes last: a pack is looked at only once it has one.
const order = ['.pack', '.rev', '.idx'];

/** Nobody is to change them, as with git's own. */
export const objectFileMode = 0o444;
const syncConcurrency = 4;

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
    const path = `${objects}/${prefix}${ownerTag()}-${randomId(random)}`;
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

  /** Puts a pack here that was taken in without git. */
  async addPack({ name, pack, index }: SmallPack): Promise<void> {
    await this.#write(`pack/${name}.pack`, pack);
    await this.#write(`pack/${name}.idx`, index);
  }

  /** Puts objects here as git-unpack-objects does. */
  async addLoose(objects: ReadonlyMap<Oid, RawObject>): Promise<void> {
    const made = new Set<string>();
    for (const [oid, { kind, bytes }] of objects) {
      const directory = oid.slice(0, 2);
      if (!made.has(directory)) await this.#disk.mkdir(`${this.path}/${directory}`);
      made.add(directory);
      const content = Buffer.concat([Buffer.from(`${kind} ${bytes.length}\0`), bytes]);
      await this.#write(`${directory}/${oid.slice(2)}`, await compress(content));
    }
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#disk.create(`${this.path}/${name}`, objectFileMode);
    try {
      await file.write(bytes);
    } finally {
      await file.close();
    }
  }

  /** The path of the one pack that was indexed here, without its extension. */
  async packBase(): Promise<string> {
    const entries = await this.#disk.list(`${this.path}/pack`);
    const index = entries.find((entry) => entry.name.endsWith('.idx'));
    if (index === undefined) throw new PackhorseError('internal', 'A pushed pack was not indexed.');
    return `${this.path}/pack/${index.name.slice(0, -'.idx'.length)}`;
  }

  /** Makes the objects durable and moves them into the repository. After a failure nothing of them is left there. */
  async migrate(): Promise<void> {
    const names = await this.#files();
    const directories = new Set<string>();
    for (const name of names) {
      const target = `${this.#objects}/${name.slice(0, name.indexOf('/'))}`;
      if (directories.has(target)) continue;
      for (const madeIn of await makeDirectories(this.#disk, target)) directories.add(madeIn);
      directories.add(target);
    }
    await forEachBounded(names, syncConcurrency, (name) => this.#disk.syncFile(`${this.path}/${name}`));
    const moved: string[] = [];
    try {
      for (const name of names) if (await this.#moveIn(name)) moved.push(`${this.#objects}/${name}`);
      for (const directory of directories) await this.#disk.syncDirectory(directory);
    } catch (error) {
      for (const path of moved.toReversed()) await this.#disk.unlink(path).catch(() => undefined);
      throw error;
    }
  }

  /** What is to be moved in, in that order. */
  async #files(): Promise<readonly string[]> {
    const files: string[] = [];
    for (const { name: directory } of await this.#disk.list(this.path)) {
      if (directory !== 'pack' && !/^[0-9a-f]{2}$/.test(directory)) continue;
      for (const { name } of await this.#disk.list(`${this.path}/${directory}`)) {
        if (directory !== 'pack' || rank(name) >= 0) files.push(`${directory}/${name}`);
      }
    }
    return files.sort((one, other) => rank(one) - rank(other));
  }

  /** False when the repository has that file already: packs and objects are named after their content. */
  async #moveIn(name: string): Promise<boolean> {
    if (this.#disk.stampNow(`${this.#objects}/${name}`) !== undefined) return false;
    await this.#disk.rename(`${this.path}/${name}`, `${this.#objects}/${name}`);
    return true;
  }

  /** Removes the directory: most often it holds nothing any more than what is removed here by name. */
  async remove(): Promise<void> {
    try {
      await unlessMissing(this.#disk.rmdir(`${this.path}/pack`));
      await unlessMissing(this.#disk.rmdir(this.path));
    } catch (error) {
      if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
      await this.#disk.removeTree(this.path);
    }
  }
}

function rank(name: string): number {
  return order.indexOf(name.slice(name.lastIndexOf('.')));
}
