import { type FileHandle, open } from 'node:fs/promises';
import { type ObjectFormat, type Oid, oidLength, PackhorseError } from '#base';
import { readAt } from '../read-at.ts';

const signature = 0xff74_4f63;
const headerBytes = 8;
const fanoutBytes = 256 * 4;
const crcBytes = 4;
const offsetBytes = 4;
/** An offset from here on is the number of an entry in the table of large ones. */
const firstLarge = 0x8000_0000;

/**
 * Which objects a pack has and where, from its index on disk (gitformat-pack, "Version 2 pack-*.idx
 * files"). Only those parts are read that a question touches. What is wrong with it is `data_loss`.
 */
export class PackIndexFile implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #idBytes: number;
  /** Cumulated counts by first byte. */
  readonly #fanout: Buffer;
  /** The ids that begin with one byte, sorted. */
  readonly #buckets: (Promise<Buffer> | undefined)[] = [];
  /** The checksum of the pack that it belongs to. */
  readonly packChecksum: Buffer;

  private constructor(handle: FileHandle, idBytes: number, fanout: Buffer, packChecksum: Buffer) {
    this.#handle = handle;
    this.#idBytes = idBytes;
    this.#fanout = fanout;
    this.packChecksum = packChecksum;
  }

  /** Throws `data_loss` for what is no index of version 2. */
  static async open(path: string, format: ObjectFormat): Promise<PackIndexFile> {
    const handle = await open(path, 'r');
    try {
      const idBytes = oidLength(format) / 2;
      const head = await readFully(handle, 0, headerBytes + fanoutBytes);
      const { size } = await handle.stat();
      if (head.readUInt32BE(0) !== signature || head.readUInt32BE(4) !== 2) {
        throw new PackhorseError('data_loss', 'A pack has an index of an unknown form.');
      }
      const fanout = head.subarray(headerBytes);
      if (!isSoundFanout(fanout, size, idBytes)) throw damaged();
      const packChecksum = await readFully(handle, size - 2 * idBytes, idBytes);
      return new PackIndexFile(handle, idBytes, fanout, packChecksum);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get count(): number {
    return this.#end(255);
  }

  /** For each of `oids` whether the pack has it. */
  async has(oids: readonly Oid[]): Promise<readonly boolean[]> {
    const ids = oids.map((oid) => Buffer.from(oid, 'hex'));
    const buckets: Buffer[] = [];
    for (const first of new Set(ids.map((id) => id[0] ?? 0))) buckets[first] = await this.#bucket(first);
    return ids.map((id) => {
      const bucket = buckets[id[0] ?? 0];
      return bucket !== undefined && positionIn(bucket, id) !== undefined;
    });
  }

  /** Where in the pack the object with this id begins; undefined when it is not there. */
  async offsetOf(id: Buffer): Promise<number | undefined> {
    const first = id[0];
    if (first === undefined || id.length !== this.#idBytes) throw damaged();
    const position = positionIn(await this.#bucket(first), id);
    if (position === undefined) return undefined;
    const offset = (await this.#offsets(this.#end(first - 1) + position, 1)).readUInt32BE(0);
    return offset < firstLarge ? offset : await this.#largeOffset(offset - firstLarge);
  }

  /**
   * Where every object begins, in the order of ids and `atOnce` or fewer at a time, as 32-bit numbers
   * in the order of the network. Throws for a pack of 2 GiB or more, where they are elsewhere.
   */
  async *offsets(atOnce: number): AsyncGenerator<Buffer, void, undefined> {
    for (let position = 0; position < this.count; position += atOnce) {
      const offsets = await this.#offsets(position, Math.min(atOnce, this.count - position));
      for (let at = 0; at < offsets.length; at += offsetBytes) {
        if (offsets.readUInt32BE(at) >= firstLarge) throw damaged();
      }
      yield offsets;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#buckets.filter((bucket) => bucket !== undefined));
    await this.#handle.close();
  }

  #end(first: number): number {
    return first < 0 ? 0 : this.#fanout.readUInt32BE(first * 4);
  }

  #bucket(first: number): Promise<Buffer> {
    const start = this.#end(first - 1);
    const bytes = (this.#end(first) - start) * this.#idBytes;
    const at = headerBytes + fanoutBytes + start * this.#idBytes;
    return (this.#buckets[first] ??= readFully(this.#handle, at, bytes));
  }

  /** Where the offsets are: behind ids and checksums. */
  get #table(): number {
    return headerBytes + fanoutBytes + this.count * (this.#idBytes + crcBytes);
  }

  #offsets(position: number, count: number): Promise<Buffer> {
    return readFully(this.#handle, this.#table + position * offsetBytes, count * offsetBytes);
  }

  async #largeOffset(position: number): Promise<number> {
    const at = this.#table + this.count * offsetBytes + position * 8;
    const value = Number((await readFully(this.#handle, at, 8)).readBigUInt64BE(0));
    if (!Number.isSafeInteger(value)) throw damaged();
    return value;
  }
}

/** Each entry counts the ids up to its byte, so none is below the one before it, and all ids are in the file. */
function isSoundFanout(fanout: Buffer, fileBytes: number, idBytes: number): boolean {
  let before = 0;
  for (let at = 0; at < fanoutBytes; at += 4) {
    const count = fanout.readUInt32BE(at);
    if (count < before || count * idBytes > fileBytes) return false;
    before = count;
  }
  return true;
}

function damaged(): PackhorseError {
  return new PackhorseError('data_loss', 'The index of a pack is damaged.');
}

async function readFully(handle: FileHandle, position: number, lengthBytes: number): Promise<Buffer> {
  const bytes = await readAt(handle, position, lengthBytes);
  if (bytes.length === lengthBytes) return bytes;
  throw new PackhorseError('data_loss', 'The index of a pack is shorter than it says.');
}

/** Ids are evenly spread, so the place to look at next is where `id` would be if they were exactly so. */
function positionIn(bucket: Buffer, id: Buffer): number | undefined {
  const { length } = id;
  let low = 0;
  let high = bucket.length / length;
  let isGuessed = true;
  const share = id.readUInt32BE(1) / 2 ** 32;
  while (low < high) {
    const guess = Math.floor(isGuessed ? share * (bucket.length / length) : (low + high) / 2);
    isGuessed = false;
    const middle = Math.min(Math.max(guess, low), high - 1);
    const order = bucket.compare(id, 0, length, middle * length, (middle + 1) * length);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return undefined;
}
