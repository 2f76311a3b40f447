import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ObjectFormat } from '#base';
import type { PackPart } from '#wire';
import type { StoredPack } from '../pack-cache/pack-cache.ts';
import { readRange } from '../pack-cache/read-file.ts';
import { type BasePack, packHeader, packHeaderBytes, trailerBytes } from './base-pack.ts';
import { hashSegments } from './hash-segments.ts';

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
  readonly #beyond: StoredPack | undefined;
  #trailer: Promise<Buffer> | undefined;
  #users = 0;
  #isRetired = false;

  /** `beyond` becomes this pack's own: it is closed when this is retired and nobody reads it. */
  constructor(base: BasePack, format: ObjectFormat, count: number, beyond: StoredPack | undefined) {
    this.#base = base;
    this.#format = format;
    this.#count = count;
    this.#beyond = beyond;
  }

  /** The base pack, open; undefined when it is gone or another file by now. */
  async open(): Promise<FileHandle | undefined> {
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
    this.#users += 1;
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
      const trailer = (this.#trailer ??= this.#computeTrailer(beyond));
      // Whoever leaves early must not cause an unhandled rejection.
      trailer.catch(() => (this.#trailer = undefined));
      yield { kind: 'data', bytes: packHeader(this.#count) };
      yield* readRange(base, packHeaderBytes, sizeBytes - trailerBytes(this.#format));
      yield* readRange(beyond.handle, packHeaderBytes, beyond.sizeBytes - trailerBytes(this.#format));
      yield { kind: 'data', bytes: await trailer };
    } finally {
      await base.close();
      await this.#leave();
    }
  }

  /** Gives its files back as soon as nobody reads them. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    this.#users += 1;
    await this.#leave();
  }

  async #leave(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0 || !this.#isRetired) return;
    await this.#beyond?.handle.close().catch(() => undefined);
  }

  async #computeTrailer(beyond: StoredPack): Promise<Buffer> {
    this.#users += 1;
    const base = await this.open();
    try {
      if (base === undefined) throw new Error('The base pack is gone.');
      const ends = trailerBytes(this.#format);
      return await hashSegments({
        algorithm: this.#format,
        prefix: packHeader(this.#count),
        segments: [
          { fd: base.fd, start: packHeaderBytes, end: this.#base.stamp.sizeBytes - ends },
          { fd: beyond.handle.fd, start: packHeaderBytes, end: beyond.sizeBytes - ends },
        ],
      });
    } finally {
      await base?.close();
      await this.#leave();
    }
  }
}
