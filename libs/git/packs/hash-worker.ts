import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { HashJob } from './hash-segments.ts';

const blockBytes = 1024 * 1024;

const { algorithm, prefix, segments } = workerData as HashJob;
const hash = createHash(algorithm).update(prefix);
const block = Buffer.allocUnsafeSlow(blockBytes);
for (const { fd, start, end } of segments) {
  for (let offset = start; offset < end;) {
    const read = readSync(fd, block, 0, Math.min(blockBytes, end - offset), offset);
    if (read === 0) throw new Error('A stored pack is shorter than it was.');
    hash.update(block.subarray(0, read));
    offset += read;
  }
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- the port of a thread, not a window
parentPort?.postMessage(hash.digest());
