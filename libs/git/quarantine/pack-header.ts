import { createHash } from 'node:crypto';
import { type ByteReader, hasCode, type ObjectFormat, PackhorseError } from '#base';

const headerBytes = 12;

/**
 * The header of an arriving pack (gitformat-pack): signature, version, number of objects. Throws
 * `invalid_argument`, as git says it, when this is no pack, and `resource_exhausted` when it
 * announces more than `maxObjects`.
 */
export async function readPackHeader(reader: ByteReader, maxObjects: number): Promise<Buffer> {
  const bytes = await readOrFail(reader, headerBytes, 'eof before pack header was fully read');
  const header = Buffer.from(bytes);
  if (header.toString('latin1', 0, 4) !== 'PACK')
    throw malformed('protocol error (pack signature mismatch detected)');
  const version = header.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw malformed('protocol error (pack version unsupported)');
  const objects = header.readUInt32BE(8);
  if (objects > maxObjects) {
    throw new PackhorseError(
      'resource_exhausted',
      `the pack has ${objects} objects, more than the server allows (${maxObjects})`,
    );
  }
  return header;
}

/** True for a pack without objects, which is then read to its end: there is nothing to index. */
export async function isEmptyPack(
  header: Buffer,
  reader: ByteReader,
  format: ObjectFormat,
): Promise<boolean> {
  if (header.readUInt32BE(8) !== 0) return false;
  const expected = createHash(format).update(header).digest();
  const checksum = await readOrFail(reader, expected.length, 'the pack is truncated (early EOF)');
  if (!expected.equals(checksum)) throw malformed('pack is corrupted (checksum mismatch)');
  return true;
}

async function readOrFail(reader: ByteReader, lengthBytes: number, otherwise: string): Promise<Uint8Array> {
  try {
    const bytes = await reader.read(lengthBytes);
    if (bytes !== undefined) return bytes;
  } catch (error) {
    if (!hasCode(error, 'invalid_argument')) throw error;
  }
  throw malformed(otherwise);
}

function malformed(message: string): PackhorseError {
  return new PackhorseError('invalid_argument', message);
}
