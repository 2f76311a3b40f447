import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ObjectFormat } from '#base';

/** A part of an open file. The descriptor must stay open until the hash is there. */
export interface FileSegment {
  readonly fd: number;
  readonly start: number;
  readonly end: number;
}

export interface HashJob {
  readonly algorithm: ObjectFormat;
  /** What goes before the files. */
  readonly prefix: Uint8Array;
  readonly segments: readonly FileSegment[];
}

/**
 * The checksum of parts of files, one after the other. In a thread of its own: hashing hundreds of
 * megabytes would hold up everybody else on the event loop, and this way the pack is sent meanwhile.
 */
export async function hashSegments(job: HashJob): Promise<Buffer> {
  const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), { workerData: job });
  // A failure in the thread rejects this as an `error` event.
  const [digest] = (await once(worker, 'message')) as [Uint8Array];
  return Buffer.from(digest);
}
