import { type FileHandle, open } from 'node:fs/promises';
import { type ObjectFormat, type Oid, oidLength, PackhorseError } from '#base';

const signature = 0xff74_4f63;
const headerBytes = 8;
const fanoutBytes = 256 * 4;

/**
 * Which objects a pack has, from its index on disk (gitformat-pack, "Version 2 pack-*.idx files").
 * Only those parts are read that a question touches.
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
      const head = await readAt(handle, 0, headerBytes + fanoutBytes);
      const { size } = await handle.stat();
      if (head.readUInt32BE(0) !== signature || head.readUInt32BE(4) !== 2) {
        throw new PackhorseError('data_loss', 'A pack has an index of an unknown form.');
      }
      if (!isSoundFanout(head.subarray(headerBytes), size, idBytes)) {
        throw new PackhorseError('data_loss', 'The index of a pack is damaged.');
      }
      const packChecksum = await readAt(handle, size - 2 * idBytes, idBytes);
      return new PackIndexFile(handle, idBytes, head.subarray(headerBytes), packChecksum);
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
      return bucket !== undefined && includes(bucket, id);
    });
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
    return (this.#buckets[first] ??= readAt(this.#handle, at, bytes));
  }
}

/** Each entry counts the ids up to its byte, so none is below the one before it, and all ids are in the file. */
export function isSoundFanout(fanout: Buffer, fileBytes: number, idBytes: number): boolean {
  let before = 0;
  for (let at = 0; at < fanoutBytes; at += 4) {
    const count = fanout.readUInt32BE(at);
    if (count < before || count * idBytes > fileBytes) return false;
    before = count;
  }
  return true;
}

async function readAt(handle: FileHandle, position: number, sizeBytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(sizeBytes);
  const { bytesRead } = await handle.read(buffer, 0, sizeBytes, position);
  if (bytesRead === sizeBytes) return buffer;
  throw new PackhorseError('data_loss', 'The index of a pack is shorter than it says.');
}

/** Ids are evenly spread, so the place to look at next is where `id` would be if they were exactly so. */
function includes(bucket: Buffer, id: Buffer): boolean {
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
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}
