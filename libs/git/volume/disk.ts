import * as fs from 'node:fs';
import { constants, type Dirent, type Stats } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { PackhorseError } from '#base';

/** What is compared to find out whether a file changed. */
export interface FileStamp {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  readonly inode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/** A file that is being written. */
export interface DiskFile {
  write(bytes: Uint8Array): Promise<void>;
  /** fsync. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
}

/**
 * The file operations that refs, quarantines and volumes are made of, one system call each, so
 * that tests can fail or crash at every single one. Errors are Node's own, with their `code`.
 */
export interface Disk {
  /** Creates a file that must not exist (O_EXCL); everybody may read it and its owner write, unless `mode` says otherwise. */
  create(path: string, mode?: number): Promise<DiskFile>;
  /** Opens for appending, creating the file where needed. */
  append(path: string): Promise<DiskFile>;
  read(path: string): Promise<Buffer>;
  /** Like lstat(2). */
  stamp(path: string): Promise<FileStamp>;
  /** The same at once, undefined when there is nothing: for names that were read before, which the kernel still knows. */
  stampNow(path: string): FileStamp | undefined;
  readLink(path: string): Promise<string>;
  list(directory: string): Promise<DirectoryEntry[]>;
  rename(from: string, to: string): Promise<void>;
  link(existing: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  truncate(path: string, sizeBytes: number): Promise<void>;
  mkdir(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  /** Makes a file's content and size durable. */
  syncFile(path: string): Promise<void>;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Removes a file or a whole directory; nothing happens when it is not there. */
  removeTree(path: string): Promise<void>;
}

function kindOf(entry: Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): DirectoryEntry['kind'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  return entry.isSymbolicLink() ? 'symlink' : 'other';
}

function stampOf(stats: Stats): FileStamp {
  const { ino: inode, size: sizeBytes, mtimeMs, ctimeMs } = stats;
  return { kind: kindOf(stats), inode, sizeBytes, mtimeMs, ctimeMs };
}

const fsync = promisify(fs.fsync);

/** Reads and writes up to this size are done at once. */
const smallBytes = 64 * 1024;

function openForWriting(path: string, flags: number, mode = 0o644): DiskFile {
  const fd = fs.openSync(path, flags, mode);
  return {
    async write(bytes) {
      // Both go on after a short write; a full disk then fails loudly.
      if (bytes.length <= smallBytes) fs.writeFileSync(fd, bytes);
      else await writeFile(fd, bytes);
    },
    sync: () => fsync(fd),
    close: async () => fs.closeSync(fd),
  };
}

const writeFile = promisify<number, Uint8Array>(fs.writeFile);
const readFile = promisify<number, Buffer>(fs.readFile);

async function sync(path: string, flags: number): Promise<void> {
  const fd = fs.openSync(path, flags);
  try {
    await fsync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

async function read(path: string): Promise<Buffer> {
  const fd = fs.openSync(path, constants.O_RDONLY);
  try {
    return fs.fstatSync(fd).size <= smallBytes ? fs.readFileSync(fd) : await readFile(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * The machine's file system. What only touches names, or few bytes in the page cache, is done at once:
 * the kernel needs some microseconds for it, while handing it to another thread and back costs
 * ten times that, and a push is made of dozens of them. What waits for the disk (fsync), or moves many
 * bytes, leaves the event loop alone. `forEachBounded` and its like give others their turn in between.
 */
export const systemDisk: Disk = {
  create: async (path, mode) =>
    openForWriting(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode),
  append: async (path) => openForWriting(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND),
  read,
  stamp: async (path) => stampOf(fs.lstatSync(path)),
  stampNow(path) {
    try {
      const stats = fs.lstatSync(path, { throwIfNoEntry: false });
      return stats === undefined ? undefined : stampOf(stats);
    } catch (error) {
      if (hasErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  },
  readLink: async (path) => fs.readlinkSync(path),
  async list(directory) {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  },
  rename: async (from, to) => fs.renameSync(from, to),
  link: async (existing, to) => fs.linkSync(existing, to),
  unlink: async (path) => fs.unlinkSync(path),
  truncate: async (path, sizeBytes) => fs.truncateSync(path, sizeBytes),
  mkdir: async (path) => fs.mkdirSync(path),
  rmdir: async (path) => fs.rmdirSync(path),
  syncFile: (path) => sync(path, constants.O_RDONLY),
  syncDirectory: (path) => sync(path, constants.O_RDONLY | constants.O_DIRECTORY),
  removeTree: (path) => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 }),
};

/** True when `thrown` is a system error with one of `codes`. */
export function hasErrno(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && codes.includes((thrown as NodeJS.ErrnoException).code ?? '');
}

/** The result, or undefined when the path does not exist. */
export async function unlessMissing<Value>(operation: Promise<Value>): Promise<Value | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Turns a failing disk into an error that a user can read. */
export function diskError(thrown: unknown): PackhorseError {
  if (thrown instanceof PackhorseError) return thrown;
  // A limit on file sizes (EFBIG) is how an operator without a partition to spare bounds the disk.
  if (hasErrno(thrown, 'ENOSPC', 'EDQUOT', 'EFBIG')) {
    return new PackhorseError('resource_exhausted', "The server's disk is full.", { cause: thrown });
  }
  if (hasErrno(thrown, 'EROFS')) {
    return new PackhorseError('failed_precondition', "The server's disk is read-only.", { cause: thrown });
  }
  if (hasErrno(thrown, 'EACCES', 'EPERM')) {
    return new PackhorseError('failed_precondition', 'The server may not write to this repository.', {
      cause: thrown,
    });
  }
  return new PackhorseError('internal', "The server's disk failed.", { cause: thrown });
}

/** Creates a directory and those above it that are missing. Returns the directories that gained an entry, for fsync. */
export async function makeDirectories(disk: Disk, path: string): Promise<string[]> {
  const parent = path.slice(0, path.lastIndexOf('/'));
  try {
    await disk.mkdir(path);
    return [parent];
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return [];
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
  const above = await makeDirectories(disk, parent);
  return [...above, ...(await makeDirectories(disk, path))];
}

/** Writes a new file durably: its content and size, not yet its name. `mode` as for `Disk.create`. */
export async function writeNewFile(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  mode?: number,
): Promise<void> {
  const file = await disk.create(path, mode);
  try {
    await file.write(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

const sliceItems = 64;

/** Runs `work` on every item, at most `concurrency` at once; the first failure is thrown when all that started have ended. */
export async function forEachBounded<Item>(
  items: Iterable<Item>,
  concurrency: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failed = false;
  const itemsPerTurn = Math.max(1, Math.floor(sliceItems / concurrency));
  const worker = async (): Promise<void> => {
    for (let begun = 1; !failed; begun += 1) {
      // Work that is done at once would never let go of the event loop.
      if (begun % itemsPerTurn === 0) await nextTurn();
      const next = queue.next();
      if (next.done === true) return;
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: concurrency }, worker));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
