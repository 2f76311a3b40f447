import { type Clock, PackhorseError } from '#base';
import { type Disk, type DiskFile, hasErrno, makeDirectories, unlessMissing } from '../volume/disk.ts';

const firstWaitMs = 5;
const longestWaitMs = 100;

/** Why a lock was not given. */
export type LockRefusal = 'held' | 'directory-conflict';

/**
 * A `<file>.lock` next to a file, created exclusively: how all git programs agree on who may
 * replace that file. What is written into it becomes the file's new content by `commit`.
 */
export class LockFile {
  readonly #disk: Disk;
  readonly #path: string;
  /** Absent for a lock that is only held and never written. */
  #file: DiskFile | undefined;
  #held = true;
  /** Directories that gained an entry when the lock's own directory was made. */
  readonly madeIn: readonly string[];

  private constructor(disk: Disk, path: string, file: DiskFile | undefined, madeIn: readonly string[]) {
    this.#disk = disk;
    this.#path = path;
    this.#file = file;
    this.madeIn = madeIn;
  }

  /**
   * Waits up to `waitMs` for another holder to finish. With `like`, another lock that is held, the
   * new one is a hard link to it and cannot be written: of thousands of locks that are only held,
   * a new file for each would cost the most by far.
   */
  static async acquire(
    disk: Disk,
    path: string,
    options: { readonly clock: Clock; readonly waitMs: number; readonly like?: LockFile | undefined },
  ): Promise<LockFile | LockRefusal> {
    const untilMs = options.clock.nowMs() + options.waitMs;
    const madeIn: string[] = [];
    for (let delayMs = firstWaitMs; ;) {
      try {
        return new LockFile(disk, path, await createLock(disk, path, options.like), madeIn);
      } catch (error) {
        if (hasErrno(error, 'ENOTDIR')) return 'directory-conflict';
        if (hasErrno(error, 'ENOENT')) {
          // The directory is missing, or was pruned by someone between its making and now.
          const made = await makeParent(disk, path);
          if (made === undefined) return 'directory-conflict';
          madeIn.push(...made);
        } else if (hasErrno(error, 'EEXIST')) {
          if (options.clock.nowMs() >= untilMs) return 'held';
          await new Promise<void>((resolve) => options.clock.after(delayMs, resolve));
          delayMs = Math.min(2 * delayMs, longestWaitMs);
        } else throw error;
      }
    }
  }

  /** Makes `chunks` the durable content of the lock file. */
  async write(chunks: Iterable<Uint8Array>): Promise<void> {
    if (this.#file === undefined) throw new PackhorseError('internal', 'A lock was written twice.');
    for (const chunk of chunks) await this.#file.write(chunk);
    await this.#file.sync();
    await this.#close();
  }

  /** Puts what was written in the file's place; the lock is gone with that. */
  async commit(): Promise<void> {
    await this.#disk.rename(`${this.#path}.lock`, this.#path);
    this.#held = false;
  }

  /** Gives the lock back. Nothing happens after `commit`. True when a lock file was there to be removed. */
  async release(): Promise<boolean> {
    await this.#close();
    if (!this.#held) return false;
    this.#held = false;
    await unlessMissing(this.#disk.unlink(`${this.#path}.lock`));
    return true;
  }

  /** The file that is locked. */
  get path(): string {
    return this.#path;
  }

  /** Where the lock file is. */
  get directory(): string {
    return this.#path.slice(0, this.#path.lastIndexOf('/'));
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

async function createLock(
  disk: Disk,
  path: string,
  like: LockFile | undefined,
): Promise<DiskFile | undefined> {
  if (like === undefined) return await disk.create(`${path}.lock`);
  try {
    await disk.link(`${like.path}.lock`, `${path}.lock`);
    return undefined;
  } catch (error) {
    // Too many links already, another file system, or one without links.
    if (!hasErrno(error, 'EMLINK', 'EXDEV', 'EPERM', 'ENOTSUP', 'ENOSYS')) throw error;
    return await disk.create(`${path}.lock`);
  }
}

async function makeParent(disk: Disk, path: string): Promise<string[] | undefined> {
  try {
    return await makeDirectories(disk, path.slice(0, path.lastIndexOf('/')));
  } catch (error) {
    // A file stands where a directory is needed: another ref.
    if (hasErrno(error, 'ENOTDIR', 'EEXIST')) return undefined;
    throw error;
  }
}
