import { PackhorseError, randomId, type Random } from '#base';
import { type Disk, hasErrno, makeDirectories, unlessMissing } from '../volume/disk.ts';
import { isOwnerAlive, ownerTag } from './owner.ts';

/** How the directories start; git itself removes them when they are left over (git-prune). */
const prefix = 'tmp_objdir-incoming-';
/** Names the files that the owner had locked, one path for each line. */
const locksFile = 'locks';
const pattern = /^tmp_objdir-incoming-(\d+-\d+-\d+)-[0-9a-z]{26}$/;

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

  /** Notes which files are about to be locked, for `recoverIncoming` to find should this process die. */
  async noteLocks(paths: readonly string[]): Promise<void> {
    const file = await this.#disk.create(`${this.path}/${locksFile}`);
    try {
      await file.write(Buffer.from(paths.map((path) => `${path}\n`).join('')));
    } finally {
      await file.close();
    }
  }

  async remove(): Promise<void> {
    try {
      await this.#disk.removeTree(this.path);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
    }
  }
}

/** Notes, in a directory beside the objects, which files of a repository are about to be locked. */
export async function noteLocks(
  disk: Disk,
  random: Random,
  gitDir: string,
  paths: readonly string[],
): Promise<AsyncDisposable> {
  const incoming = await IncomingDirectory.create(disk, random, `${gitDir}/objects`);
  await incoming.noteLocks(paths);
  return { [Symbol.asyncDispose]: () => incoming.remove() };
}

/** A lock is taken and used within this time after it was noted. */
const lockLifeMs = 60_000;

/**
 * Removes what servers that are gone left in a repository that others use as well: their incoming
 * directories and the locks that they noted there. Of a process in another container nothing can be
 * known, so its directories stay for `graceMs`.
 */
export async function recoverIncoming(
  disk: Disk,
  gitDir: string,
  nowMs: number,
  graceMs: number,
): Promise<void> {
  for (const { name } of (await unlessMissing(disk.list(`${gitDir}/objects`))) ?? []) {
    const owner = pattern.exec(name)?.[1];
    if (owner === undefined) continue;
    const path = `${gitDir}/objects/${name}`;
    const stamp = await unlessMissing(disk.stamp(path));
    if (stamp === undefined || (isOwnerAlive(owner) ?? nowMs - stamp.mtimeMs < graceMs)) continue;
    await removeLocks(disk, gitDir, `${path}/${locksFile}`);
    await disk.removeTree(path);
  }
}

async function removeLocks(disk: Disk, gitDir: string, note: string): Promise<void> {
  const noted = await unlessMissing(disk.stamp(note));
  const text = await unlessMissing(disk.read(note));
  if (noted === undefined || text === undefined) return;
  for (const line of text.toString().split('\n')) {
    if (line === '' || line.split('/').includes('..')) continue;
    const lock = `${gitDir}/${line}.lock`;
    const stamp = await unlessMissing(disk.stamp(lock));
    // A later one belongs to somebody who came after.
    if (stamp !== undefined && stamp.mtimeMs < noted.mtimeMs + lockLifeMs)
      await unlessMissing(disk.unlink(lock));
  }
}

function rank(name: string): number {
  return order.indexOf(name.slice(name.lastIndexOf('.')));
}
