import { type FileHandle, open } from 'node:fs/promises';
import { inflateSync } from 'node:zlib';
import { type ObjectFormat, type Oid, oidLength, PackhorseError } from '#base';
import { objectTooLarge, type RawObject } from '../objects/raw.ts';
import { PackIndexFile } from '../packs/pack-index-file.ts';
import { readAt } from '../read-at.ts';
import type { ObjectKind } from '../reader.ts';
import { applyDelta, deltaHead } from './delta.ts';

const packHeaderBytes = 12;
/** An entry's type and size take few bytes, and a delta's base at most a hash more. */
const entryHeaderBytes = 64;
/** Deltas are never chained deeper than git writes them. */
const maxChain = 4096;

/** One entry of the pack. */
interface Entry {
  /** undefined for a delta. */
  readonly kind: ObjectKind | undefined;
  /** Where its deflated data starts in the pack. */
  readonly dataStart: number;
  /** Of the data inflated. */
  readonly sizeBytes: number;
}

const kinds: readonly (ObjectKind | undefined)[] = [undefined, 'commit', 'tree', 'blob', 'tag'];
/** Entries of an index that are read at once. */
const offsetsPerRead = 65_536;

const offsetDelta = 6;
const refDelta = 7;

/**
 * One pack with its index, just enough to tell which objects are in it and what they are, and to
 * read commits: asking here spares a push git processes. Every delta has its base in the same pack,
 * because index-pack completes thin packs.
 */
export class IncomingPack implements AsyncDisposable {
  readonly #index: PackIndexFile;
  readonly #pack: FileHandle;
  readonly #hashBytes: number;
  /** Of the pack. */
  readonly sizeBytes: number;

  private constructor(index: PackIndexFile, pack: OpenPack, format: ObjectFormat) {
    this.#index = index;
    this.#pack = pack.file;
    this.sizeBytes = pack.sizeBytes;
    this.#hashBytes = oidLength(format) / 2;
  }

  /** Opens `<base>.idx` and `<base>.pack`. */
  static async open(base: string, format: ObjectFormat): Promise<IncomingPack> {
    const index = await PackIndexFile.open(`${base}.idx`, format);
    try {
      return new IncomingPack(index, await openPack(`${base}.pack`), format);
    } catch (error) {
      await index[Symbol.asyncDispose]();
      throw error;
    }
  }

  get objects(): number {
    return this.#index.count;
  }

  /** What `oid` is; undefined when it is not in this pack. */
  async kindOf(oid: Oid): Promise<ObjectKind | undefined> {
    let kind: ObjectKind | undefined;
    for await (const entry of this.#chain(oid)) kind = entry.kind;
    return kind;
  }

  /**
   * The whole object in memory; undefined when it is not in this pack. Throws `resource_exhausted`
   * for one of more than `maxBytes`.
   */
  async read(oid: Oid, maxBytes: number): Promise<RawObject | undefined> {
    const deltas: Buffer[] = [];
    for await (const { kind, dataStart, sizeBytes } of this.#chain(oid)) {
      if (sizeBytes > maxBytes) throw objectTooLarge(oid, maxBytes);
      const data = await this.#inflated(dataStart, sizeBytes);
      if (kind === undefined) deltas.push(data);
      else
        return {
          kind,
          bytes: deltas.reduceRight((base, delta) => applied(base, delta, oid, maxBytes), data),
        };
    }
    return undefined;
  }

  /** The entry of an object, the one of its base, and so on: the last one has a kind. */
  async *#chain(oid: Oid): AsyncGenerator<Entry, void, undefined> {
    let offset = await this.#index.offsetOf(Buffer.from(oid, 'hex'));
    if (offset === undefined) return;
    for (let depth = 0; depth < maxChain; depth += 1) {
      if (offset < packHeaderBytes) throw malformed();
      const header = await readAt(this.#pack, offset, entryHeaderBytes);
      const { type, sizeBytes, lengthBytes } = entryHead(header);
      let position = lengthBytes;
      const at: number = offset;
      if (type === offsetDelta) {
        offset -= baseDistance(header, position);
        while (((header[position] ?? 0) & 0x80) !== 0) position += 1;
        position += 1;
      } else if (type === refDelta) {
        const base = await this.#index.offsetOf(header.subarray(position, position + this.#hashBytes));
        if (base === undefined) throw malformed();
        offset = base;
        position += this.#hashBytes;
      } else {
        const kind = kinds[type];
        if (kind === undefined) throw malformed();
        yield { kind, dataStart: at + position, sizeBytes };
        return;
      }
      yield { kind: undefined, dataStart: at + position, sizeBytes };
    }
    throw malformed();
  }

  async #inflated(start: number, sizeBytes: number): Promise<Buffer> {
    // Deflated data is hardly ever longer than what it holds: by a few bytes for each block.
    const deflated = await readAt(this.#pack, start, sizeBytes + (sizeBytes >>> 8) + 128);
    try {
      const bytes = inflateSync(deflated, { maxOutputLength: Math.max(1, sizeBytes) });
      if (bytes.length === sizeBytes) return bytes;
    } catch {
      // Below.
    }
    throw malformed();
  }

  /**
   * How large objects are when inflated, at least of every entry that takes `packedBytes` or more; what
   * is stored as a delta is left out. Only the heads of entries are read, and few of these: of what
   * begins in a stretch of half that length, only the last one can be so long, and only if nothing
   * begins in the next stretch. Throws `data_loss` for a pack of 2 GiB or more, where offsets are elsewhere.
   */
  async *sizesOfLong(packedBytes: number): AsyncGenerator<number, void, undefined> {
    const stretchBytes = Math.max(1, Math.floor(packedBytes / 2));
    const last = new Uint32Array(Math.ceil(this.sizeBytes / stretchBytes) + 1);
    for await (const offsets of this.#index.offsets(offsetsPerRead)) {
      for (let at = 0; at < offsets.length; at += 4) {
        const offset = offsets.readUInt32BE(at);
        if (offset >= this.sizeBytes) throw malformed();
        const stretch = Math.floor(offset / stretchBytes);
        last[stretch] = Math.max(last[stretch] ?? 0, offset);
      }
    }
    for (const [stretch, offset] of last.entries()) {
      if (offset === 0 || (last[stretch + 1] ?? 0) !== 0) continue;
      const header = await readAt(this.#pack, offset, entryHeaderBytes);
      const { type, sizeBytes } = entryHead(header);
      if (kinds[type] !== undefined) yield sizeBytes;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#index[Symbol.asyncDispose](), this.#pack.close()]);
  }
}

function applied(base: Buffer, delta: Buffer, oid: Oid, maxBytes: number): Buffer {
  if ((deltaHead(delta)?.resultBytes ?? 0) > maxBytes) throw objectTooLarge(oid, maxBytes);
  const result = applyDelta(base, delta);
  if (result === undefined) throw malformed();
  return result;
}

interface OpenPack {
  readonly file: FileHandle;
  readonly sizeBytes: number;
}

async function openPack(path: string): Promise<OpenPack> {
  const file = await open(path);
  try {
    return { file, sizeBytes: (await file.stat()).size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The head of an entry: four bits of the size beside the type, then seven in each byte, the lowest first. */
function entryHead(header: Buffer): { type: number; sizeBytes: number; lengthBytes: number } {
  const first = header[0] ?? 0;
  let sizeBytes = first & 15;
  let lengthBytes = 1;
  for (let byte = first, scale = 16; (byte & 0x80) !== 0; scale *= 128) {
    byte = header[lengthBytes++] ?? 0;
    sizeBytes += (byte & 0x7f) * scale;
  }
  return { type: (first >> 4) & 7, sizeBytes, lengthBytes };
}

/** The distance back to a delta's base: seven bits in each byte, the highest first, with one added for each further byte. */
function baseDistance(bytes: Buffer, from: number): number {
  let position = from;
  let value = (bytes[position] ?? 0) & 0x7f;
  while (((bytes[position] ?? 0) & 0x80) !== 0) {
    position += 1;
    value = (value + 1) * 128 + ((bytes[position] ?? 0) & 0x7f);
  }
  return value;
}

function malformed(): PackhorseError {
  return new PackhorseError('data_loss', 'The pushed pack or its index is damaged.');
}
