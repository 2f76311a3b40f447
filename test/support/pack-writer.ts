import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createDeflate, deflateSync } from 'node:zlib';
import type { ObjectKind } from '#git';

/** Writes packs that git itself would never write (gitformat-pack), object by object. */

const types: Readonly<Record<ObjectKind, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 };
const offsetDelta = 6;

/** One entry of a pack: its bytes, and the id of the object where that is known. */
export interface WrittenEntry {
  readonly bytes: Buffer;
  readonly oid: string | undefined;
}

/** Type and size in front of an entry; `sizeBytes` need not be true. */
function entryHead(type: number, sizeBytes: number): Buffer {
  const bytes = [(type << 4) | (sizeBytes % 16)];
  for (let rest = Math.floor(sizeBytes / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(rest % 128);
  }
  return Buffer.from(bytes);
}

/** The id of an object in a SHA-1 repository. */
export function objectId(kind: ObjectKind, content: Uint8Array): string {
  return createHash('sha1').update(`${kind} ${content.length}\0`).update(content).digest('hex');
}

/** A whole object; `claimedBytes` is what its entry says about its size. */
export function objectEntry(
  kind: ObjectKind,
  content: Uint8Array,
  claimedBytes = content.length,
): WrittenEntry {
  return {
    bytes: Buffer.concat([entryHead(types[kind], claimedBytes), deflateSync(content)]),
    oid: objectId(kind, content),
  };
}

/** An object of so many zero bytes, which deflate to a thousandth; they are never in memory at once. */
export async function zerosEntry(kind: ObjectKind, sizeBytes: number): Promise<WrittenEntry> {
  const chunkBytes = 1 << 20;
  const deflate = createDeflate({ level: 9 });
  const parts: Buffer[] = [];
  deflate.on('data', (part: Buffer) => parts.push(part));
  for (let written = 0; written < sizeBytes; written += chunkBytes) {
    const zeros = Buffer.alloc(Math.min(chunkBytes, sizeBytes - written));
    await new Promise<void>((resolve, reject) => {
      deflate.write(zeros, (error) => (error instanceof Error ? reject(error) : resolve()));
    });
  }
  deflate.end();
  await once(deflate, 'end');
  return { bytes: Buffer.concat([entryHead(types[kind], sizeBytes), ...parts]), oid: undefined };
}

/** A delta on the entry that starts `distance` bytes before this one. */
export function deltaEntry(distance: number, delta: Uint8Array): WrittenEntry {
  const back = [distance % 128];
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest -= 1;
    back.unshift(0x80 | (rest % 128));
  }
  const head = entryHead(offsetDelta, delta.length);
  return {
    bytes: Buffer.concat([head, Buffer.from(back), deflateSync(delta, { level: 9 })]),
    oid: undefined,
  };
}

/** The largest copy of one instruction. */
export const maxCopyBytes = 0xffffff;

/** A delta of instructions, with sizes of base and result that need not be true. */
export function delta(baseBytes: number, resultBytes: number, instructions: Uint8Array): Buffer {
  const size = (value: number): Buffer => {
    const bytes: number[] = [];
    for (let rest = value; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) return Buffer.from([...bytes, rest]);
      bytes.push((rest % 128) | 0x80);
    }
  };
  return Buffer.concat([size(baseBytes), size(resultBytes), instructions]);
}

/** Copies `lengthBytes`, at most `maxCopyBytes`, from the start of the base. */
export function copyInstruction(lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes[0] = 0x80 | 0x70;
  bytes.writeUIntLE(lengthBytes, 1, 3);
  return bytes;
}

/** Inserts up to 127 bytes. */
export function insertInstruction(content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([content.length]), content]);
}

/** The pack of these entries; `claimedObjects` is what its header says about their number. */
export function packOf(entries: readonly WrittenEntry[], claimedObjects = entries.length): Buffer {
  const header = Buffer.alloc(12);
  header.write('PACK');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(claimedObjects, 8);
  const body = Buffer.concat([header, ...entries.map(({ bytes }) => bytes)]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}
