import { open, type FileHandle } from 'node:fs/promises';
import { abortError, PackhorseError } from '#base';
import type { PackPart } from '#wire';
import type { Disk, DiskFile } from '../volume/disk.ts';
import { readRange } from './read-file.ts';

/** Bytes that are gathered for one write while the one before is under way. */
const maxPendingBytes = 1024 * 1024;
/** Bytes that wait in memory for the slowest reader when the disk takes no more. */
const maxTailBytes = 4 * 1024 * 1024;
/** Progress that waits for a slow reader; newer text says the same. */
const maxProgressBytes = 16 * 1024;

interface Reader {
  positionBytes: number;
  progress: Buffer[];
  progressBytes: number;
}

/**
 * A pack that is being produced, once, for any number of readers. It grows in a file, so no reader
 * ever holds the producer up, nor one reader another. When the file cannot grow any more (the disk
 * is full, or the pack is larger than the cache takes) the rest passes through memory at the pace of
 * the slowest reader, so that the fetch goes on all the same.
 */
export class GrowingPack {
  readonly #disk: Disk;
  readonly #path: string;
  /** Asked before the file grows; false keeps it as it is. */
  readonly #mayGrow: (byBytes: number) => boolean;
  #file: DiskFile | undefined;
  #handle: FileHandle | undefined;
  /** What readers find in the file. */
  #fileBytes = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  /** After the file: chunks in memory, the first of which begins at `#tailStart`. */
  #tail: Uint8Array[] | undefined;
  #tailStart = 0;
  #tailBytes = 0;
  #end: 'growing' | 'complete' | { readonly error: unknown } = 'growing';
  readonly #readers = new Set<Reader>();
  #waiting: (() => void)[] = [];

  constructor(disk: Disk, path: string, mayGrow: (byBytes: number) => boolean) {
    this.#disk = disk;
    this.#path = path;
    this.#mayGrow = mayGrow;
  }

  /** Opens the file. A disk that refuses is no reason to refuse the fetch: memory takes its place. */
  async open(): Promise<void> {
    try {
      this.#file = await this.#disk.create(this.#path);
      this.#handle = await open(this.#path, 'r');
    } catch {
      this.#tail = [];
    }
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** True when the whole pack is in the file. */
  get isStored(): boolean {
    return this.#end === 'complete' && this.#tail === undefined;
  }

  get sizeBytes(): number {
    return this.#fileBytes;
  }

  /** True while a reader that comes now still finds the first byte. */
  get isWhole(): boolean {
    const isAllHere = this.#tail === undefined || this.#tailStart === this.#fileBytes;
    return isAllHere && typeof this.#end === 'string';
  }

  /** Takes what comes next; resolves when there is room for more. */
  async append(bytes: Uint8Array): Promise<void> {
    if (this.#tail !== undefined) return await this.#appendToTail(bytes);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#writing ??= this.#writePending();
    if (this.#pendingBytes >= maxPendingBytes) await this.#writing;
  }

  /** Text for those readers who asked for it. */
  progress(text: Uint8Array): void {
    for (const reader of this.#readers) {
      if (reader.progressBytes + text.length > maxProgressBytes) continue;
      reader.progress.push(Buffer.from(text));
      reader.progressBytes += text.length;
    }
    this.#wake();
  }

  /** Nothing more comes. */
  async complete(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#end = 'complete';
    this.#wake();
  }

  /** Production failed: readers get `error` after what is there. */
  fail(error: unknown): void {
    if (this.#end === 'growing') this.#end = { error };
    this.#wake();
  }

  /** Makes the content durable, so that it may be kept under its name. */
  async sync(): Promise<void> {
    await this.#file?.sync();
  }

  /** Closes the file once the last reader has left. */
  async close(): Promise<void> {
    while (this.#readers.size > 0) await this.#changed();
    await this.#writing;
    // Nothing depends on it any more.
    await this.#file?.close().catch(() => undefined);
    await this.#handle?.close().catch(() => undefined);
  }

  /** The pack from its first byte, as it grows. Ends only after the last byte; throws what the producer failed with. */
  async *read(withProgress: boolean, signal: AbortSignal): AsyncGenerator<PackPart, void, undefined> {
    const reader: Reader = { positionBytes: 0, progress: [], progressBytes: 0 };
    this.#readers.add(reader);
    const onAbort = (): void => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        if (signal.aborted) throw abortError(signal);
        if (withProgress && reader.progressBytes > 0) yield takeProgress(reader);
        if (reader.positionBytes < this.#fileBytes && this.#handle !== undefined) {
          for await (const part of readRange(this.#handle, reader.positionBytes, this.#fileBytes)) {
            reader.positionBytes += part.bytes.length;
            yield part;
          }
          continue;
        }
        const bytes = this.#fromTail(reader.positionBytes);
        if (bytes !== undefined) {
          reader.positionBytes += bytes.length;
          this.#wake();
          yield { kind: 'data', bytes };
          continue;
        }
        if (this.#end === 'complete') return;
        if (this.#end !== 'growing') {
          // What the producer complained of is for everybody.
          if (reader.progressBytes > 0) yield takeProgress(reader);
          throw this.#end.error;
        }
        await this.#changed();
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#readers.delete(reader);
      this.#wake();
    }
  }

  async #writePending(): Promise<void> {
    // The caller may have more to add in this turn.
    await Promise.resolve();
    while (this.#pendingBytes > 0) {
      const bytes = this.#pending.length === 1 ? this.#pending[0] : undefined;
      const block = bytes ?? Buffer.concat(this.#pending);
      this.#pending = [];
      this.#pendingBytes = 0;
      if (!this.#mayGrow(block.length) || !(await this.#write(block))) {
        this.#tailStart = this.#fileBytes;
        this.#tail = [block, ...this.#pending];
        this.#tailBytes = block.length + this.#pendingBytes;
        this.#pending = [];
        this.#pendingBytes = 0;
      }
      this.#wake();
    }
    this.#writing = undefined;
  }

  async #write(block: Uint8Array): Promise<boolean> {
    try {
      await this.#file?.write(block);
      this.#fileBytes += block.length;
      return true;
    } catch {
      return false;
    }
  }

  async #appendToTail(bytes: Uint8Array): Promise<void> {
    this.#tail?.push(bytes);
    this.#tailBytes += bytes.length;
    this.#wake();
    this.#trimTail();
    while (this.#tailBytes > maxTailBytes && this.#readers.size > 0) {
      await this.#changed();
      this.#trimTail();
    }
  }

  /** Drops what every reader has taken. */
  #trimTail(): void {
    const slowest = Math.min(...[...this.#readers].map((reader) => reader.positionBytes));
    for (;;) {
      const first = this.#tail?.[0];
      if (first === undefined || this.#tailBytes <= maxTailBytes) return;
      if (this.#tailStart + first.length > slowest) return;
      this.#tail?.shift();
      this.#tailStart += first.length;
      this.#tailBytes -= first.length;
    }
  }

  #fromTail(positionBytes: number): Uint8Array | undefined {
    let start = this.#tailStart;
    for (const chunk of this.#tail ?? []) {
      if (positionBytes < start) break;
      if (positionBytes < start + chunk.length) return chunk.subarray(positionBytes - start);
      start += chunk.length;
    }
    if (positionBytes < this.#tailStart) {
      throw new PackhorseError('unavailable', 'The pack is no longer whole, try again in a moment.');
    }
    return undefined;
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function takeProgress(reader: Reader): PackPart {
  const bytes = Buffer.concat(reader.progress);
  reader.progress = [];
  reader.progressBytes = 0;
  return { kind: 'progress', bytes };
}
