import type { Log } from '#base';
import { type Disk, forEachBounded, hasErrno, unlessMissing, writeNewFile } from '../volume/disk.ts';
import type { RefValue } from './loose-refs.ts';
import { type PackedRefs, renderPackedRefs } from './packed-refs.ts';
import type { LockFile } from './ref-lock.ts';
import { removeEmptyDirectories } from './reflog.ts';

const concurrency = 8;

/** What one transaction changes on the disk, which can be taken back as long as the locks are held. */
export class RefChanges {
  readonly #gitDir: string;
  readonly #disk: Disk;
  readonly #log: Log;
  readonly #undo: (() => Promise<unknown>)[] = [];
  /** Directories in which names changed. */
  readonly #directories = new Set<string>();

  constructor(context: { readonly gitDir: string; readonly disk: Disk; readonly log: Log }) {
    this.#gitDir = context.gitDir;
    this.#disk = context.disk;
    this.#log = context.log;
  }

  /** Notes how something that was done is taken back. */
  done(undo: () => Promise<unknown>): void {
    this.#undo.push(undo);
  }

  /** Notes a directory in which a name changed. */
  touched(directory: string): void {
    this.#directories.add(directory);
  }

  /** Replaces packed-refs, durably, while it is locked. */
  async replacePacked(before: PackedRefs, after: PackedRefs): Promise<void> {
    this.done(() => this.#putPacked(before));
    await this.#putPacked(after);
    await this.#disk.syncDirectory(this.#gitDir);
  }

  async #putPacked(packed: PackedRefs): Promise<void> {
    const path = `${this.#gitDir}/packed-refs.new`;
    await unlessMissing(this.#disk.unlink(path));
    const file = await this.#disk.create(path);
    try {
      for (const chunk of renderPackedRefs(packed.refs)) await file.write(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(path, `${this.#gitDir}/packed-refs`);
  }

  /** Puts what is in the lock of a ref in the place of the ref, whose file said `before`. */
  async replaceLoose(name: string, lock: LockFile | undefined, before: RefValue | undefined): Promise<void> {
    const path = this.#path(name);
    this.done(() =>
      before === undefined ? unlessMissing(this.#disk.unlink(path)) : this.#putLoose(path, before),
    );
    try {
      await lock?.commit();
    } catch (error) {
      if (!hasErrno(error, 'EISDIR', 'ENOTEMPTY', 'EEXIST')) throw error;
      // What is left of refs that once were below this name.
      await removeEmptyDirectories(this.#disk, path);
      await lock?.commit();
    }
    this.#touchedAt(path);
  }

  /** Removes the file of a ref, which said `before`. */
  async removeLoose(name: string, before: RefValue): Promise<void> {
    const path = this.#path(name);
    this.done(() => this.#putLoose(path, before));
    await unlessMissing(this.#disk.unlink(path));
    this.#touchedAt(path);
  }

  /** Only for taking back: the ref's lock, or being the only writer, keeps everyone else away. */
  async #putLoose(path: string, value: RefValue): Promise<void> {
    // Nobody misses what led nowhere.
    if (value.kind === 'broken') {
      await unlessMissing(this.#disk.unlink(path));
      return;
    }
    const text = value.kind === 'oid' ? `${value.oid}\n` : `ref: ${value.target}\n`;
    await unlessMissing(this.#disk.unlink(`${path}.lock`));
    await writeNewFile(this.#disk, `${path}.lock`, Buffer.from(text));
    await this.#disk.rename(`${path}.lock`, path);
  }

  /** Makes the changed names durable. */
  async sync(): Promise<void> {
    await forEachBounded(this.#directories, concurrency, (path) => this.#disk.syncDirectory(path));
  }

  /** Never throws: what cannot be taken back is logged. */
  async takeBack(): Promise<void> {
    for (const undo of this.#undo.toReversed()) {
      try {
        await undo();
      } catch (error) {
        this.#log.error('A failed ref transaction could not be taken back.', { error });
      }
    }
  }

  #path(name: string): string {
    return `${this.#gitDir}/${name}`;
  }

  #touchedAt(path: string): void {
    this.touched(path.slice(0, path.lastIndexOf('/')));
  }
}
