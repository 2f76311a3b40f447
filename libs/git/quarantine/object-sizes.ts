import { PackhorseError } from '#base';
import { gitFailure } from '../process/git-runner.ts';
import type { Storage } from '../storage.ts';
import type { IncomingPack } from './incoming-pack.ts';

export interface ObjectSizesRequest {
  readonly gitDir: string;
  /** In which git finds the objects of the push; those of the repository are left out. */
  readonly environment: Readonly<Record<string, string>>;
  readonly pack: IncomingPack;
  readonly signal: AbortSignal;
}

/** Throws `resource_exhausted` when an object of `sizeBytes` is too large to be pushed. */
export function refuseTooLarge(sizeBytes: number, maxBytes: number): void {
  if (sizeBytes <= maxBytes) return;
  throw new PackhorseError(
    'resource_exhausted',
    `an object of ${sizeBytes} bytes is larger than the server allows (${maxBytes} bytes)`,
  );
}

/** No bytes are deflated to less than this part of them (zlib, "Maximum Compression Factor"). */
const maxDeflation = 1032;
/** Below this many bytes an entry is nothing to look for one by one. */
const minLongBytes = 64 * 1024;
/** Offsets in the first table of an index end here. */
const maxPlainOffset = 0x80000000;

/**
 * Throws `resource_exhausted` when an object of an indexed pack is larger than `maxPushedObjectBytes`.
 * Whatever is not a whole blob was in the indexer's memory, all of it, so that where that is no more
 * nothing but a blob can be too large, and that one takes its part of the pack.
 */
export async function refuseLargeObjects(storage: Storage, request: ObjectSizesRequest): Promise<void> {
  const { maxPushedObjectBytes: maxBytes, maxIndexerMemoryBytes: memoryBytes } = storage.settings;
  const longBytes = Math.floor(maxBytes / maxDeflation);
  const { pack } = request;
  const fitMemory = memoryBytes > 0 && memoryBytes <= maxBytes;
  if (!fitMemory || longBytes < minLongBytes || pack.sizeBytes >= maxPlainOffset)
    return await askForSizes(storage, request);
  for await (const sizeBytes of pack.sizesOfLong(longBytes)) refuseTooLarge(sizeBytes, maxBytes);
}

/** Asks git for the size of every object (git-cat-file), which is in the heads of entries and deltas. */
async function askForSizes(storage: Storage, request: ObjectSizesRequest): Promise<void> {
  const maxBytes = storage.settings.maxPushedObjectBytes;
  await using listing = storage.git.start(
    {
      gitDir: request.gitDir,
      args: ['cat-file', '--batch-all-objects', '--unordered', '--batch-check=%(objectsize)'],
      environment: { ...request.environment, GIT_ALTERNATE_OBJECT_DIRECTORIES: '' },
      maxMemoryBytes: storage.settings.maxIndexerMemoryBytes,
      signal: request.signal,
    },
    { stdin: 'ignore', stdout: 'pipe' },
  );
  let rest = '';
  for await (const chunk of listing.stdout.setEncoding('latin1') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) refuseTooLarge(Number(line), maxBytes);
  }
  const exit = await listing.exit;
  if (exit.code !== 0) throw gitFailure('cat-file', exit);
}
