import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ObjectFormat } from '#base';
import type { PackPart } from '#wire';
import type { StoredPack } from '../pack-cache/pack-cache.ts';
import { readRange } from '../pack-cache/read-file.ts';
import { type BasePack, packHeader, packHeaderBytes, trailerBytes } from './base-pack.ts';
import type { FileSegment, HashJob } from './hash-threads.ts';

/** The objects behind a base: entries of a pack without its header and checksum, or such a pack in a file. */
export type Beyond = Buffer | StoredPack;

/** Computes the checksum of a pack; see `HashThreads`. */
export type PackHash = (job: HashJob, signal: AbortSignal) => Promise<Buffer>;

export interface ComposedPackParts {
  readonly pack: BasePack;
  readonly format: ObjectFormat;
  /** Objects in all. */
  readonly count: number;
  /** Absent: the base is sent as it is. */
  readonly beyond: Beyond | undefined;
  readonly hash: PackHash;
}

/**
 * One valid pack out of two: the bytes of a base pack as they are, then the objects beyond it, under
 * a header and a checksum of their own (gitformat-pack). Deltas by offset are relative, so they may
 * stand anywhere; deltas of the second part may name bases in the first. With nothing beyond it the
 * base pack is sent as it is.
 */
export class ComposedPack {
  readonly #base: BasePack;
  readonly #format: ObjectFormat;
  readonly #count: number;
  readonly #beyond: Beyond | undefined;
  readonly #hash: PackHash;
  readonly #unwanted = new AbortController();
  #trailer: Promise<Buffer> | undefined;
  #readers = 0;
  #isRetired = false;

  /** `beyond` becomes this pack's own: a file is closed when this is retired and nobody reads it. */
  constructor({ pack, format, count, beyond, hash }: ComposedPackParts) {
    this.#base = pack;
    this.#format = format;
    this.#count = count;
    this.#beyond = beyond;
    this.#hash = hash;
  }

  /** Computes the checksum ahead of a request. */
  prepare(): void {
    if (this.#beyond !== undefined) void this.#startTrailer(this.#beyond);
  }

  /** Begins to read: the base pack, open, for `read` to go on with; undefined when it is gone or another file by now. */
  async open(): Promise<FileHandle | undefined> {
    this.#readers += 1;
    const base = await this.#openBase();
    if (base === undefined) {
      this.#readers -= 1;
      await this.#settle();
    }
    return base;
  }

  async #openBase(): Promise<FileHandle | undefined> {
    const { path, stamp } = this.#base;
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, constants.O_RDONLY);
      const { ino, size, mtimeMs } = await handle.stat();
      if (ino === stamp.inode && size === stamp.sizeBytes && mtimeMs === stamp.mtimeMs) return handle;
    } catch {
      // The same answer.
    }
    await handle?.close();
    return undefined;
  }

  /** Everything, from what `open` gave, which is closed at the end. */
  async *read(base: FileHandle, progress: boolean): AsyncGenerator<PackPart, void, undefined> {
    try {
      if (progress) {
        const text = `Total ${this.#count} (from a stored pack)\n`;
        yield { kind: 'progress', bytes: Buffer.from(text) };
      }
      const { sizeBytes } = this.#base.stamp;
      const beyond = this.#beyond;
      if (beyond === undefined) {
        yield* readRange(base, 0, sizeBytes);
        return;
      }
      const trailer = this.#startTrailer(beyond);
      yield { kind: 'data', bytes: packHeader(this.#count) };
      yield* readRange(base, packHeaderBytes, sizeBytes - trailerBytes(this.#format));
      if (Buffer.isBuffer(beyond)) yield { kind: 'data', bytes: beyond };
      else yield* readRange(beyond.handle, packHeaderBytes, beyond.sizeBytes - trailerBytes(this.#format));
      yield { kind: 'data', bytes: await trailer };
    } finally {
      this.#readers -= 1;
      await base.close();
      await this.#settle();
    }
  }

  /** Gives its files back as soon as nobody reads them. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    await this.#settle();
  }

  async #settle(): Promise<void> {
    if (this.#readers > 0 || !this.#isRetired) return;
    this.#unwanted.abort();
    await this.#trailer?.catch(() => undefined);
    if (!Buffer.isBuffer(this.#beyond)) await this.#beyond?.handle.close().catch(() => undefined);
  }

  #startTrailer(beyond: Beyond): Promise<Buffer> {
    const trailer = (this.#trailer ??= this.#computeTrailer(beyond));
    // Whoever leaves early must not cause an unhandled rejection.
    trailer.catch(() => (this.#trailer = undefined));
    return trailer;
  }

  async #computeTrailer(beyond: Beyond): Promise<Buffer> {
    const base = await this.#openBase();
    try {
      if (base === undefined) throw new Error('The base pack is gone.');
      const ends = trailerBytes(this.#format);
      const inBase = { fd: base.fd, start: packHeaderBytes, end: this.#base.stamp.sizeBytes - ends };
      const parts = Buffer.isBuffer(beyond)
        ? { segments: [inBase], suffix: beyond }
        : { segments: [inBase, segmentOf(beyond, ends)], suffix: Buffer.alloc(0) };
      const prefix = packHeader(this.#count);
      return await this.#hash({ algorithm: this.#format, prefix, ...parts }, this.#unwanted.signal);
    } finally {
      await base?.close();
    }
  }
}

function segmentOf({ handle, sizeBytes }: StoredPack, trailer: number): FileSegment {
  return { fd: handle.fd, start: packHeaderBytes, end: sizeBytes - trailer };
}
