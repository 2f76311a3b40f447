import { PackhorseError } from '#base';
import { gitFailure } from '../process/git-runner.ts';
import type { Storage } from '../storage.ts';

export interface ObjectSizesRequest {
  readonly gitDir: string;
  /** In which git finds the objects of the push; those of the repository are left out. */
  readonly environment: Readonly<Record<string, string>>;
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

/**
 * Asks git for the size of every object (git-cat-file), and throws `resource_exhausted` when one is
 * larger than `maxPushedObjectBytes`. Sizes are in the heads of entries and deltas: no object is
 * inflated for it.
 */
export async function refuseLargeObjects(storage: Storage, request: ObjectSizesRequest): Promise<void> {
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
