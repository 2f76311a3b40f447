import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { crc32, deflate } from 'node:zlib';
import type { ObjectFormat, Oid } from '#base';
import { newObject } from '../objects/encode.ts';
import { entryHeader } from '../objects/pack-encoder.ts';
import type { RawObject } from '../objects/raw.ts';
import type { ObjectKind } from '../reader.ts';
import { applyDelta, deltaHead } from './delta.ts';
import { encodePackIndex, type IndexedObject } from './pack-index.ts';
import { type PackDelta, type PackEntry, packHeaderBytes } from './pack-scanner.ts';

const compress = promisify(deflate);

/** A pushed pack that is held in memory: what is in it, and the two files that it becomes. */
export interface SmallPack {
  /** Those of the push, without bases that were added to complete a thin pack. */
  readonly objects: ReadonlyMap<Oid, RawObject>;
  /** The name of its files, without extension. */
  readonly name: string;
  readonly pack: Buffer;
  readonly index: Buffer;
}

/** How objects are found that a thin pack leaves out. */
export interface Bases {
  readonly objectFormat: ObjectFormat;
  readonly read: (oid: Oid) => Promise<RawObject | undefined>;
  readonly maxInflatedBytes: number;
}

interface Resolved {
  readonly kind: ObjectKind;
  readonly bytes: Buffer;
}

/**
 * Makes a complete pack of the entries that a scanner found: deltas are resolved, objects named,
 * bases that are missing appended, as git-index-pack `--fix-thin` does. undefined when something is
 * not as it should be, or too large: git then says what.
 */
export async function buildSmallPack(
  scanned: { readonly entries: readonly PackEntry[]; readonly pack: Buffer },
  bases: Bases,
): Promise<SmallPack | undefined> {
  const resolver = new Resolver(scanned.entries, bases);
  if (!(await resolver.run())) return undefined;
  const { objectFormat } = bases;
  const { indexed, objects, borrowed } = resolver;
  const pack =
    borrowed.size === 0 ? scanned.pack : await completed(scanned.pack, borrowed, indexed, objectFormat);
  const checksum = pack.subarray(pack.length - createHash(objectFormat).digest().length);
  return {
    objects,
    name: `pack-${checksum.toString('hex')}`,
    pack,
    index: encodePackIndex(indexed, checksum, objectFormat),
  };
}

class Resolver {
  readonly objects = new Map<Oid, RawObject>();
  readonly indexed: IndexedObject[] = [];
  /** Bases that are not in the pack. */
  readonly borrowed = new Map<Oid, RawObject>();
  readonly #entries: readonly PackEntry[];
  readonly #bases: Bases;
  readonly #byOffset = new Map<number, Resolved>();
  #inflatedBytes = 0;

  constructor(entries: readonly PackEntry[], bases: Bases) {
    this.#entries = entries;
    this.#bases = bases;
  }

  /** Resolves every entry; false when that cannot be done. */
  async run(): Promise<boolean> {
    let waiting: PackDelta[] = [];
    for (const entry of this.#entries) {
      if (entry.kind === 'delta') waiting.push(entry);
      else if (!this.#add(entry, entry)) return false;
    }
    // A base may come behind its delta: rounds, until nothing more is found in the pack.
    while (waiting.length > 0) {
      const left: PackDelta[] = [];
      for (const delta of waiting) {
        const base = this.#baseOf(delta);
        if (base === undefined) left.push(delta);
        else if (!this.#apply(delta, base)) return false;
      }
      if (left.length === waiting.length && !(await this.#borrow(left))) return false;
      waiting = left;
    }
    return true;
  }

  #baseOf({ base }: PackDelta): Resolved | undefined {
    return typeof base === 'number'
      ? this.#byOffset.get(base)
      : (this.objects.get(base) ?? this.borrowed.get(base));
  }

  #apply(delta: PackDelta, base: Resolved): boolean {
    const head = deltaHead(delta.bytes);
    if (head === undefined || !this.#count(head.resultBytes)) return false;
    const bytes = applyDelta(base.bytes, delta.bytes);
    return bytes !== undefined && this.#add(delta, { kind: base.kind, bytes });
  }

  #count(bytes: number): boolean {
    this.#inflatedBytes += bytes;
    return this.#inflatedBytes <= this.#bases.maxInflatedBytes;
  }

  /** False for an object that is in the pack twice, which is unusual enough. */
  #add({ offset, crc }: PackEntry, { kind, bytes }: Resolved): boolean {
    const { oid } = newObject(kind, bytes, this.#bases.objectFormat);
    this.#byOffset.set(offset, { kind, bytes });
    this.indexed.push({ oid, offset, crc });
    if (this.objects.has(oid) || this.borrowed.has(oid)) return false;
    this.objects.set(oid, { kind, bytes });
    return true;
  }

  /** Reads the bases that are not in the pack; false when there are none to read, or one is missing or too large. */
  async #borrow(deltas: readonly PackDelta[]): Promise<boolean> {
    let found = false;
    for (const { base, bytes } of deltas) {
      if (typeof base === 'number' || this.borrowed.has(base)) continue;
      if (!this.#count(deltaHead(bytes)?.baseBytes ?? Infinity)) return false;
      const object = await this.#bases.read(base);
      // It may be the result of another delta that waits for its own base.
      if (object === undefined) continue;
      this.borrowed.set(base, object);
      found = true;
    }
    return found;
  }
}

/** `pack` with whole objects appended, and everything that counts and sums it right again. */
async function completed(
  pack: Buffer,
  added: ReadonlyMap<Oid, RawObject>,
  indexed: IndexedObject[],
  format: ObjectFormat,
): Promise<Buffer> {
  const head = Buffer.from(pack.subarray(0, packHeaderBytes));
  head.writeUInt32BE(indexed.length + added.size, 8);
  let offset = pack.length - createHash(format).digest().length;
  const parts = [head, pack.subarray(packHeaderBytes, offset)];
  for (const [oid, { kind, bytes }] of added) {
    const entry = Buffer.concat([entryHeader(kind, bytes.length), await compress(bytes)]);
    indexed.push({ oid, offset, crc: crc32(entry) });
    offset += entry.length;
    parts.push(entry);
  }
  const hash = createHash(format);
  for (const part of parts) hash.update(part);
  return Buffer.concat([...parts, hash.digest()]);
}
