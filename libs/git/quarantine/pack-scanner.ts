import { createHash } from 'node:crypto';
import { crc32, inflateSync } from 'node:zlib';
import type { ObjectFormat, Oid } from '#base';
import type { ObjectKind } from '../reader.ts';

/** One entry of a pack (gitformat-pack, "pack-*.pack files have the following format"). */
export type PackEntry = PackObject | PackDelta;

interface EntryPlace {
  /** Where the entry starts in the pack. */
  readonly offset: number;
  /** The CRC-32 of its bytes as they are in the pack. */
  readonly crc: number;
}

export interface PackObject extends EntryPlace {
  readonly kind: ObjectKind;
  readonly bytes: Buffer;
}

export interface PackDelta extends EntryPlace {
  readonly kind: 'delta';
  /** The offset of the base in the same pack, or its id. */
  readonly base: number | Oid;
  /** Instructions, with the sizes of base and result in front. */
  readonly bytes: Buffer;
}

export interface ScanLimits {
  readonly maxBytes: number;
  readonly maxObjects: number;
  readonly maxInflatedBytes: number;
}

/**
 * `more`: the pack goes on. `complete`: every entry was read and the checksum is right. `unfit`:
 * over a limit or not as it should be; what exactly is for git to say.
 */
export type ScanState = 'more' | 'complete' | 'unfit';

const kinds: Readonly<Record<number, ObjectKind>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' };
const offsetDelta = 6;
const refDelta = 7;
export const packHeaderBytes = 12;
const idBytes = { sha1: 20, sha256: 32 } as const;
/** A size of eight bytes of seven bits is beyond every limit. */
const maxSizeDigits = 8;
const leastInflateChunkBytes = 64;
/** So many times the largest pack may be inflated in vain. */
const wasteFactor = 8;

/**
 * Reads a small pack out of chunks that end anywhere. Does no I/O and holds the whole pack in
 * memory, so it gives up (`unfit`) past its limits; `bytes` then still has everything that it was fed.
 */
export class PackScanner {
  readonly #format: ObjectFormat;
  readonly #limits: ScanLimits;
  readonly entries: PackEntry[] = [];
  #buffer = Buffer.alloc(16 * 1024);
  #filled = 0;
  #position = packHeaderBytes;
  #count: number | undefined;
  #inflatedBytes = 0;
  /** Input that was inflated in vain because the entry had not arrived to its end. */
  #wastedBytes = 0;
  #state: ScanState = 'more';

  constructor(format: ObjectFormat, limits: ScanLimits) {
    this.#format = format;
    this.#limits = limits;
  }

  /** Everything that was fed. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#filled);
  }

  /** The pack alone, once it is complete. */
  get pack(): Buffer {
    return this.#buffer.subarray(0, this.#position);
  }

  /** Memory that the scanner holds. */
  get heldBytes(): number {
    return this.#buffer.length + this.#inflatedBytes;
  }

  /** Takes the next chunk, and looks at what is complete with it. */
  feed(chunk: Uint8Array): ScanState {
    this.#append(chunk);
    if (this.#state === 'more') this.#state = this.#filled > this.#limits.maxBytes ? 'unfit' : this.#scan();
    return this.#state;
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#filled + chunk.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(needed, 2 * this.#buffer.length));
      this.#buffer.copy(grown, 0, 0, this.#filled);
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#filled);
    this.#filled = needed;
  }

  #scan(): ScanState {
    if (this.#count === undefined) {
      if (this.#filled < packHeaderBytes) return 'more';
      const version = this.#buffer.readUInt32BE(4);
      const isPack = this.#buffer.toString('latin1', 0, 4) === 'PACK' && (version === 2 || version === 3);
      this.#count = this.#buffer.readUInt32BE(8);
      if (!isPack || this.#count > this.#limits.maxObjects) return 'unfit';
    }
    while (this.entries.length < this.#count) {
      const state = this.#entry();
      if (state !== 'complete') return state;
    }
    const end = this.#position + idBytes[this.#format];
    if (this.#filled < end) return 'more';
    const checksum = createHash(this.#format).update(this.#buffer.subarray(0, this.#position)).digest();
    if (!checksum.equals(this.#buffer.subarray(this.#position, end))) return 'unfit';
    this.#position = end;
    return 'complete';
  }

  /** Reads one entry, or nothing when its end has not arrived. */
  #entry(): ScanState {
    const head = this.#entryHead();
    if (typeof head === 'string') return head;
    const { type, sizeBytes, base, dataStart } = head;
    const kind = kinds[type];
    if (kind === undefined && base === undefined) return 'unfit';
    if (this.#inflatedBytes + sizeBytes > this.#limits.maxInflatedBytes) return 'unfit';
    const inflated = this.#inflate(dataStart, sizeBytes);
    if (typeof inflated === 'string') return inflated;
    const offset = this.#position;
    const crc = crc32(this.#buffer.subarray(offset, inflated.end));
    const { bytes } = inflated;
    if (base !== undefined) this.entries.push({ kind: 'delta', base, bytes, offset, crc });
    else if (kind !== undefined) this.entries.push({ kind, bytes, offset, crc });
    this.#inflatedBytes += sizeBytes;
    this.#position = inflated.end;
    return 'complete';
  }

  /** Type, size and base of the entry at the current position. */
  #entryHead(): EntryHead | 'more' | 'unfit' {
    const buffer = this.#buffer.subarray(this.#position, this.#filled);
    let at = 0;
    const first = buffer[at++];
    if (first === undefined) return 'more';
    const type = (first >> 4) & 7;
    let sizeBytes = first & 15;
    for (let byte = first, scale = 16; (byte & 0x80) !== 0; scale *= 128) {
      const next = buffer[at++];
      if (next === undefined) return 'more';
      if (at > maxSizeDigits) return 'unfit';
      sizeBytes += (next & 0x7f) * scale;
      byte = next;
    }
    if (type === refDelta) {
      const end = at + idBytes[this.#format];
      if (buffer.length < end) return 'more';
      return { type, sizeBytes, base: buffer.toString('hex', at, end), dataStart: this.#position + end };
    }
    if (type !== offsetDelta) return { type, sizeBytes, base: undefined, dataStart: this.#position + at };
    let distance = -1;
    for (let byte = 0x80; (byte & 0x80) !== 0;) {
      const next = buffer[at++];
      if (next === undefined) return 'more';
      if (at > 2 * maxSizeDigits) return 'unfit';
      distance = (distance + 1) * 128 + (next & 0x7f);
      byte = next;
    }
    return { type, sizeBytes, base: this.#position - distance, dataStart: this.#position + at };
  }

  #inflate(start: number, sizeBytes: number): { bytes: Buffer; end: number } | 'more' | 'unfit' {
    try {
      const { buffer: bytes, engine } = inflateSync(this.#buffer.subarray(start, this.#filled), {
        info: true,
        maxOutputLength: Math.max(1, sizeBytes),
        chunkSize: Math.max(leastInflateChunkBytes, sizeBytes + 1),
      }) as unknown as { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
      if (bytes.length !== sizeBytes) return 'unfit';
      return { bytes, end: start + engine.bytesWritten };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'Z_BUF_ERROR') return 'unfit';
      // Whoever sends a large entry in tiny pieces has each of them cost as much as all before it.
      this.#wastedBytes += this.#filled - start + sizeBytes;
      return this.#wastedBytes > wasteFactor * this.#limits.maxBytes ? 'unfit' : 'more';
    }
  }
}

interface EntryHead {
  readonly type: number;
  readonly sizeBytes: number;
  readonly base: number | Oid | undefined;
  readonly dataStart: number;
}
