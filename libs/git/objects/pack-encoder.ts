import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import type { ObjectFormat } from '#base';
import type { ObjectKind } from '../reader.ts';
import type { NewObject } from './encode.ts';

const compress = promisify(deflate);

const typeNumbers: Readonly<Record<ObjectKind, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 };

/** What a whole object needs in a pack, which does not say its id. */
export type PackedObject = Pick<NewObject, 'kind' | 'bytes'>;

/** A pack (gitformat-pack(5)) of whole objects, one chunk for each as it is compressed. */
export async function* encodePack(
  objects: readonly PackedObject[],
  format: ObjectFormat,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash(format);
  const header = Buffer.alloc(12);
  header.write('PACK', 'latin1');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(objects.length, 8);
  hash.update(header);
  yield header;
  for (const object of objects) {
    const entry = await encodeEntry(object);
    hash.update(entry);
    yield entry;
  }
  yield hash.digest();
}

/** One whole object, as it stands in a pack. */
export async function encodeEntry({ kind, bytes }: PackedObject): Promise<Buffer> {
  return Buffer.concat([entryHeader(kind, bytes.length), await compress(bytes)]);
}

/** Type and size of a whole object: four bits of size in the first byte, seven in each further one, lowest first. */
export function entryHeader(kind: ObjectKind, sizeBytes: number): Buffer {
  const bytes = [(typeNumbers[kind] << 4) | (sizeBytes % 16)];
  for (let rest = Math.floor(sizeBytes / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(rest % 128);
  }
  return Buffer.from(bytes);
}
