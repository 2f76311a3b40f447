import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, FileLock, type Log, type Random, randomId } from '#base';
import { type Disk, unlessMissing } from '../volume/disk.ts';
import { type PackKey, repositoryPart } from './pack-key.ts';

export interface CacheDirectoryOptions {
  /** Absolute path; made when it is missing. One server uses it at a time: others take `PATH-2` and so on. */
  readonly path: string;
  readonly maxBytes: number;
  readonly maxEntryBytes: number;
  /** What is left free on the disk for everything else. */
  readonly minFreeBytes: number;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Room in the budget for a file that has no name yet; disposing gives it back. */
export interface Reservation extends Disposable {
  /** Makes room for so many bytes more; false when there is none to be had. */
  grow(byBytes: number): boolean;
}

/** A complete pack in a file that is open for reading. */
export interface StoredPack {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

interface Entry {
  readonly path: string;
  readonly sizeBytes: number;
  usedAtMs: number;
}

/** Servers that may have a cache in the same place at once. */
const maxSlots = 16;
/** How exact the time of the last use is, for a server that starts later. */
const useResolutionMs = 60_000;
/** Growth after which the free space of the disk is looked at again. */
const freeCheckBytes = 64 * 1024 * 1024;

const entryName = /^([0-9a-f]{64})\.(\d{1,15})$/;
const growingSuffix = '.growing';

/**
 * The files of a pack cache, bounded in bytes. The directory is its own index: a file is named
 * `<key>.<size>`, comes to its name complete and durable, and its modification time says when it
 * was last used. Whatever else is found at the start is removed.
 */
export class CacheDirectory implements Disposable {
  readonly #options: CacheDirectoryOptions;
  readonly #path: string;
  readonly #lock: FileLock;
  /** Least recently used first. */
  readonly #entries: Map<PackKey, Entry>;
  #storedBytes = 0;
  /** Reserved for files that grow. */
  #growingBytes = 0;
  #freeBytes = Number.POSITIVE_INFINITY;
  #uncheckedBytes = freeCheckBytes;
  evictions = 0;

  private constructor(options: CacheDirectoryOptions, path: string, lock: FileLock) {
    this.#options = options;
    this.#path = path;
    this.#lock = lock;
    this.#entries = new Map();
  }

  /** Throws what the disk fails with. */
  static async open(options: CacheDirectoryOptions): Promise<CacheDirectory> {
    for (let slot = 1; slot <= maxSlots; slot += 1) {
      const path = slot === 1 ? options.path : `${options.path}-${slot}`;
      // What is in it may be private.
      await mkdir(path, { recursive: true, mode: 0o700 });
      const lock = FileLock.acquire(join(path, 'lock'));
      if (lock === undefined) continue;
      const directory = new CacheDirectory(options, path, lock);
      await directory.#load();
      return directory;
    }
    throw new Error(`All pack caches at ${options.path} are in use.`);
  }

  get sizeBytes(): number {
    return this.#storedBytes + this.#growingBytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** The complete file of a key, open for reading and now the most recently used; undefined when there is none. */
  async openEntry(key: PackKey): Promise<StoredPack | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const nowMs = this.#options.clock.nowMs();
    const isStale = nowMs - entry.usedAtMs > useResolutionMs;
    if (isStale) entry.usedAtMs = nowMs;
    try {
      const handle = await open(entry.path, constants.O_RDONLY | constants.O_NOFOLLOW);
      if ((await handle.stat()).size === entry.sizeBytes) {
        if (isStale) await utimes(entry.path, nowMs / 1000, nowMs / 1000).catch(() => undefined);
        return { handle, sizeBytes: entry.sizeBytes };
      }
      await handle.close();
    } catch {
      // Somebody cleaned up: that is their right with a cache.
    }
    await this.remove(key);
    return undefined;
  }

  /** Where a pack may grow until it is published. */
  growingPath(key: PackKey): string {
    return join(this.#path, `${key}.${randomId(this.#options.random)}${growingSuffix}`);
  }

  /** The room of a file that is going to grow. */
  reservation(): Reservation {
    const { maxBytes, maxEntryBytes, minFreeBytes } = this.#options;
    let sizeBytes = 0;
    return {
      grow: (byBytes) => {
        if (sizeBytes + byBytes > Math.min(maxEntryBytes, maxBytes)) return false;
        this.#evictFor(byBytes);
        this.#checkFree(byBytes);
        if (this.sizeBytes + byBytes > maxBytes || this.#freeBytes - byBytes < minFreeBytes) return false;
        this.#growingBytes += byBytes;
        this.#freeBytes -= byBytes;
        sizeBytes += byBytes;
        return true;
      },
      [Symbol.dispose]: () => {
        this.#growingBytes -= sizeBytes;
        sizeBytes = 0;
      },
    };
  }

  /** Gives a complete, durable file its name. Throws what the disk fails with. */
  async publish(key: PackKey, growingPath: string, sizeBytes: number): Promise<void> {
    const path = join(this.#path, `${key}.${sizeBytes}`);
    await this.#options.disk.rename(growingPath, path);
    const before = this.#entries.get(key);
    if (before !== undefined) this.#storedBytes -= before.sizeBytes;
    this.#entries.delete(key);
    this.#entries.set(key, { path, sizeBytes, usedAtMs: this.#options.clock.nowMs() });
    this.#storedBytes += sizeBytes;
    this.#evictFor(0);
  }

  async remove(key: PackKey): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#storedBytes -= entry.sizeBytes;
    await this.discard(entry.path);
  }

  /** Removes a file that is of no use. */
  async discard(path: string): Promise<void> {
    try {
      await unlessMissing(this.#options.disk.unlink(path));
    } catch (error) {
      this.#options.log.warn('A file of the pack cache could not be removed.', { error, path });
    }
  }

  /** Removes every pack of a repository. */
  async forget(repositoryId: string): Promise<void> {
    const part = repositoryPart(repositoryId);
    const keys = [...this.#entries.keys()].filter((key) => key.startsWith(part));
    for (const key of keys) await this.remove(key);
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }

  async #load(): Promise<void> {
    const { disk } = this.#options;
    const found: [PackKey, Entry][] = [];
    for (const { name, kind } of await disk.list(this.#path)) {
      if (name === 'lock' || name.startsWith('lock-')) continue;
      const path = join(this.#path, name);
      const stamp = await unlessMissing(disk.stamp(path));
      const [, key, size] = entryName.exec(name) ?? [];
      if (kind === 'file' && key !== undefined && stamp?.sizeBytes === Number(size)) {
        found.push([key, { path, sizeBytes: stamp.sizeBytes, usedAtMs: stamp.mtimeMs }]);
      } else if (kind === 'file') await this.discard(path);
    }
    for (const [key, entry] of found.toSorted(([, a], [, b]) => a.usedAtMs - b.usedAtMs)) {
      this.#entries.set(key, entry);
      this.#storedBytes += entry.sizeBytes;
    }
    this.#evictFor(0);
    await this.#lookAtDisk();
  }

  /** A file that is being read stays readable: only its name goes. */
  #evictFor(byBytes: number): void {
    for (const key of this.#entries.keys()) {
      if (this.sizeBytes + byBytes <= this.#options.maxBytes) return;
      this.evictions += 1;
      void this.remove(key);
    }
  }

  #checkFree(byBytes: number): void {
    this.#uncheckedBytes -= byBytes;
    if (this.#uncheckedBytes > 0) return;
    this.#uncheckedBytes = freeCheckBytes;
    void this.#lookAtDisk();
  }

  /** When the disk gets full, what is cached makes room for what is not. */
  async #lookAtDisk(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(this.#path);
      this.#freeBytes = bavail * bsize;
    } catch {
      this.#freeBytes = Number.POSITIVE_INFINITY;
    }
    for (const [key, entry] of this.#entries) {
      if (this.#freeBytes >= this.#options.minFreeBytes) return;
      this.#freeBytes += entry.sizeBytes;
      this.evictions += 1;
      await this.remove(key);
    }
  }
}
