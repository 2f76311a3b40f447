import { type ByteStream, type Oid, PackhorseError } from '#base';
import { objectNotFound } from '../objects/repository-objects.ts';
import type { BlobFields } from '../reader.ts';
import type { ReadContext } from './context.ts';
import { gitOutput } from './git-output.ts';

/** How far git looks for a NUL to decide that a blob is binary (xdiff-interface.c). */
const binaryProbeBytes = 8000;

/** Size and nature of a blob. Throws `not_found`, and `invalid_argument` when the object is no blob. */
export async function blobFields(context: ReadContext, oid: Oid): Promise<BlobFields> {
  const fields = await context.objects.cache.fetch('blobFields', oid, async () => {
    const sizeBytes = await blobSize(context, oid);
    const start = await firstBytes(context, oid, sizeBytes);
    return { oid, sizeBytes, binary: start.subarray(0, binaryProbeBytes).includes(0) };
  });
  if (fields === undefined) throw objectNotFound(oid);
  return fields;
}

async function blobSize({ objects }: ReadContext, oid: Oid): Promise<number> {
  const header = await objects.header(oid);
  if (header === undefined) throw objectNotFound(oid);
  if (header.kind !== 'blob') {
    throw new PackhorseError('invalid_argument', 'This object is no file.', {
      metadata: { oid, kind: header.kind },
    });
  }
  return header.sizeBytes;
}

async function smallBlob({ objects }: ReadContext, oid: Oid): Promise<Buffer> {
  const bytes = await objects.readBlob(oid);
  if (bytes === undefined) throw objectNotFound(oid);
  return bytes;
}

async function firstBytes(context: ReadContext, oid: Oid, sizeBytes: number): Promise<Buffer> {
  if (sizeBytes <= context.settings.streamedBlobBytes) return await smallBlob(context, oid);
  const chunks: Buffer[] = [];
  let readBytes = 0;
  for await (const chunk of gitContent(context, oid)) {
    chunks.push(chunk);
    readBytes += chunk.length;
    if (readBytes >= binaryProbeBytes) break;
  }
  return Buffer.concat(chunks);
}

/** From a process of its own, which git lets stream without holding the blob in memory. */
async function* gitContent(context: ReadContext, oid: Oid): AsyncGenerator<Buffer, void, undefined> {
  using _lease = await context.blobStreams.acquire(context.signal);
  yield* gitOutput(context, ['cat-file', 'blob', oid], { timeoutMs: context.settings.gitTimeoutMs });
}

/**
 * Opens the content of a blob: throws what `blobFields` throws now, and then gives the bytes in
 * chunks at the pace at which they are pulled. Nothing of the repository's handle is held
 * meanwhile, so it may be pulled after the turn that opened it.
 */
export async function openBlob(context: ReadContext, oid: Oid): Promise<ByteStream> {
  const sizeBytes = await blobSize(context, oid);
  if (sizeBytes > context.settings.streamedBlobBytes) return gitContent(context, oid);
  return chunked(await smallBlob(context, oid), context.settings.blobChunkBytes);
}

async function* chunked(bytes: Buffer, chunkBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}
