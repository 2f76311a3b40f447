import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { HashJob } from './hash-threads.ts';

/** A job as the thread gets it. */
export interface HashTask extends HashJob {
  /** 1 once nobody wants the hash any more. */
  readonly cancelled: Int32Array<SharedArrayBuffer>;
}

/** Neither of both when the job was cancelled. */
export interface HashAnswer {
  readonly digest?: Uint8Array;
  readonly error?: unknown;
}

const block = Buffer.allocUnsafeSlow(1024 * 1024);

function hashOf({ algorithm, prefix, segments, suffix, cancelled }: HashTask): Uint8Array | undefined {
  const hash = createHash(algorithm).update(prefix);
  for (const { fd, start, end } of segments) {
    for (let offset = start; offset < end;) {
      if (Atomics.load(cancelled, 0) !== 0) return undefined;
      const read = readSync(fd, block, 0, Math.min(block.length, end - offset), offset);
      if (read === 0) throw new Error('A stored pack is shorter than it was.');
      hash.update(block.subarray(0, read));
      offset += read;
    }
  }
  return hash.update(suffix).digest();
}

function answer(task: HashTask): HashAnswer {
  try {
    const digest = hashOf(task);
    return digest === undefined ? {} : { digest };
  } catch (error) {
    return { error };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- the port of a thread, not a window
parentPort?.on('message', (task: HashTask) => parentPort?.postMessage(answer(task)));
