import { createHash } from 'node:crypto';
import { type ObjectFormat, type Oid, oidLength } from '#base';

/** Where one object is in its pack. */
export interface IndexedObject {
  readonly oid: Oid;
  /** Below 2 GiB. */
  readonly offset: number;
  readonly crc: number;
}

/** A pack's index, version 2 (gitformat-pack, "Version 2 pack-*.idx files"), for packs below 2 GiB. */
export function encodePackIndex(
  objects: readonly IndexedObject[],
  packChecksum: Buffer,
  format: ObjectFormat,
): Buffer {
  const idBytes = oidLength(format) / 2;
  const sorted = [...objects].sort((one, other) => (one.oid < other.oid ? -1 : 1));
  const ids = 8 + 256 * 4;
  const crcs = ids + sorted.length * idBytes;
  const offsets = crcs + sorted.length * 4;
  const index = Buffer.alloc(offsets + sorted.length * 4 + 2 * idBytes);
  index.writeUInt32BE(0xff744f63, 0);
  index.writeUInt32BE(2, 4);
  const fanout = new Uint32Array(256);
  for (const [position, { oid, crc, offset }] of sorted.entries()) {
    index.write(oid, ids + position * idBytes, 'hex');
    index.writeUInt32BE(crc, crcs + position * 4);
    index.writeUInt32BE(offset, offsets + position * 4);
    const first = Number.parseInt(oid.slice(0, 2), 16);
    fanout[first] = (fanout[first] ?? 0) + 1;
  }
  let total = 0;
  for (const [first, count] of fanout.entries()) index.writeUInt32BE((total += count), 8 + first * 4);
  const end = index.length - idBytes;
  packChecksum.copy(index, end - idBytes);
  createHash(format).update(index.subarray(0, end)).digest().copy(index, end);
  return index;
}
