import type { FileHandle } from 'node:fs/promises';
import { PackhorseError } from '#base';
import type { PackPart } from '#wire';

/** Eight full packets of side-band-64k: a read costs little, and many readers need little memory. */
const blockBytes = 8 * 65_515;
/** Buffers that are kept for the next reader. */
const maxFreeBlocks = 32;

const freeBlocks: Buffer[] = [];

/**
 * The bytes of an open file from `start` up to `end`, block by block; the next block is read while
 * the one before is being sent. Memory that is released is used again, as a pack is far larger than
 * what it should cost to send it. Throws `data_loss` when the file is shorter.
 */
export async function* readRange(
  handle: FileHandle,
  start: number,
  end: number,
): AsyncGenerator<PackPart & { readonly kind: 'data' }, void, undefined> {
  let next = readBlock(handle, start, end);
  try {
    for (let offset = start; offset < end;) {
      const part = await next;
      offset += part.bytes.length;
      next = readBlock(handle, offset, end);
      yield part;
    }
  } finally {
    // The reader may leave early, and the handle may only be closed when nothing is being read.
    await next.then(
      (part) => part.release?.(),
      () => undefined,
    );
  }
}

const nothing = { kind: 'data', bytes: Buffer.alloc(0) } as const;

async function readBlock(
  handle: FileHandle,
  offset: number,
  end: number,
): Promise<PackPart & { readonly kind: 'data' }> {
  const sizeBytes = Math.min(blockBytes, end - offset);
  if (sizeBytes <= 0) return nothing;
  const block = freeBlocks.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
  const { bytesRead } = await handle.read(block, 0, sizeBytes, offset);
  if (bytesRead === 0) throw new PackhorseError('data_loss', 'A stored pack is shorter than it was.');
  let isReleased = false;
  const release = (): void => {
    if (!isReleased && freeBlocks.length < maxFreeBlocks) freeBlocks.push(block);
    isReleased = true;
  };
  return { kind: 'data', bytes: block.subarray(0, bytesRead), release };
}
