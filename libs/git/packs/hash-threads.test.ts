import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hasCode, ManualClock } from '#base';
import { temporaryDirectory } from '#test/temporary';
import { type HashJob, HashThreads } from './hash-threads.ts';

const never = new AbortController().signal;
const content = randomBytes(3_000_000);

async function scene(): Promise<{ threads: HashThreads; clock: ManualClock; file: FileHandle }> {
  const path = join(temporaryDirectory('hash'), 'file');
  writeFileSync(path, content);
  const file = await open(path);
  const clock = new ManualClock();
  const threads = new HashThreads(clock);
  after(async () => {
    await threads.close();
    await file.close();
  });
  return { threads, clock, file };
}

function job({ fd }: FileHandle, parts: Partial<HashJob> = {}): HashJob {
  return {
    algorithm: 'sha1',
    prefix: Buffer.from('before'),
    segments: [
      { fd, start: 10, end: 2_500_000 },
      { fd, start: 0, end: 5 },
    ],
    suffix: Buffer.from('behind'),
    ...parts,
  };
}

test('parts of files are hashed, more of them at once than there are threads, and again after a rest', async () => {
  const { threads, clock, file } = await scene();
  threads.warm();
  for (const algorithm of ['sha1', 'sha256'] as const) {
    const expected = createHash(algorithm)
      .update('before')
      .update(content.subarray(10, 2_500_000))
      .update(content.subarray(0, 5))
      .update('behind')
      .digest('hex');
    const jobs = Array.from({ length: 5 }, () => threads.hash(job(file, { algorithm }), never));
    for (const digest of await Promise.all(jobs)) assert.equal(digest.toString('hex'), expected);
    // Long enough for every thread to end.
    clock.advance(3_600_000);
  }
});

test('a file that is too short fails its own job only', async () => {
  const { threads, file } = await scene();
  const short = job(file, { segments: [{ fd: file.fd, start: 0, end: content.length + 1 }] });
  await assert.rejects(threads.hash(short, never), /shorter/);
  assert.equal((await threads.hash(job(file), never)).length, 20);
});

test('a job that nobody wants any more ends, whether it has begun or waits', async () => {
  const { threads, file } = await scene();
  // The same part again and again: more than the test has time for.
  const endless = job(file, {
    segments: Array.from({ length: 100_000 }, () => ({ fd: file.fd, start: 0, end: content.length })),
  });
  const leaving = new AbortController();
  const jobs = [1, 2, 3].map(() => threads.hash(endless, leaving.signal));
  leaving.abort();
  for (const outcome of await Promise.allSettled(jobs)) {
    assert.ok(outcome.status === 'rejected' && hasCode(outcome.reason, 'cancelled'));
  }
  await assert.rejects(threads.hash(endless, leaving.signal), (error) => hasCode(error, 'cancelled'));
  assert.equal((await threads.hash(job(file), never)).length, 20);
});

test('who closes the threads is waited for by nobody', async () => {
  const { threads, file } = await scene();
  const segments = Array.from({ length: 100_000 }, () => ({ fd: file.fd, start: 0, end: content.length }));
  const hashing = [1, 2, 3].map(() => threads.hash(job(file, { segments }), never));
  const outcomes = Promise.allSettled(hashing);
  await threads.close();
  for (const { status } of await outcomes) assert.equal(status, 'rejected');
});
