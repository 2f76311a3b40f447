import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { hasCode, PackhorseError } from './errors.ts';
import { abortError, eventOf, orAbort, readChunks } from './node-streams.ts';

const never = new AbortController().signal;

async function join(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test('all bytes of a stream are read, however they were written', async () => {
  const source = new PassThrough({ highWaterMark: 2 });
  const text = join(readChunks(source, never));
  for (const letter of 'one byte at a time') {
    if (!source.write(letter)) await eventOf(source, ['drain'], never);
  }
  source.end();
  assert.equal(await text, 'one byte at a time');
});

test('what waits is handed out in pieces of at most 64 KiB, and is all there', async () => {
  const waiting = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
  const source = new PassThrough({ highWaterMark: 1024 * 1024 });
  for (let at = 0; at < waiting.length; at += 30_000) source.write(waiting.subarray(at, at + 30_000));
  source.end();
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChunks(source, never)) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(waiting));
  assert.deepEqual(
    chunks.map(({ length }) => length),
    [65_536, 65_536, 65_536, 3_392],
  );
});

test('a stream that has already ended has no chunks', async () => {
  const source = new PassThrough();
  source.end();
  assert.equal(await join(readChunks(source, never)), '');
  assert.equal(await join(readChunks(source, never)), '');
});

test('a reader that waits is woken by an abort and told its reason', async () => {
  const abort = new AbortController();
  const pending = join(readChunks(new PassThrough(), abort.signal));
  abort.abort(new PackhorseError('deadline_exceeded', 'Too slow.'));
  await assert.rejects(pending, (thrown) => hasCode(thrown, 'deadline_exceeded'));
});

test('an abort without a reason of ours means that the other side went away', () => {
  assert.equal(abortError(AbortSignal.abort()).code, 'cancelled');
});

test('a stream that is closed before its end is cancelled, not ended', async () => {
  const source = new PassThrough();
  const pending = join(readChunks(source, never));
  source.write('half');
  source.destroy();
  await assert.rejects(pending, (thrown) => hasCode(thrown, 'cancelled'));
});

test('what a stream fails with is thrown, also when it failed before anybody read', async () => {
  const failed = new PassThrough();
  failed.on('error', () => undefined);
  failed.destroy(new Error('broken'));
  await assert.rejects(join(readChunks(failed, never)), /broken/);
  const failing = new PassThrough();
  const pending = join(readChunks(failing, never));
  failing.destroy(new Error('broken'));
  await assert.rejects(pending, /broken/);
});

test('leaving the loop leaves the stream open for whoever reads on', async () => {
  const source = new PassThrough();
  source.write('first');
  for await (const chunk of readChunks(source, never)) {
    assert.equal(Buffer.from(chunk).toString(), 'first');
    break;
  }
  source.end('rest');
  assert.equal(await join(readChunks(source, never)), 'rest');
});

test('leaving while a chunk is awaited ends the read, and the chunk is left for whoever reads on', async () => {
  const source = new PassThrough();
  const chunks = readChunks(source, never);
  const pending = chunks.next();
  await chunks.return();
  assert.equal((await pending).done, true);
  assert.deepEqual(source.eventNames(), new PassThrough().eventNames());
  source.end('rest');
  assert.equal((await chunks.next()).done, true);
  assert.equal(chunks.readBytes, 0);
  const others = readChunks(source, never);
  assert.equal(await join(others), 'rest');
  assert.equal(others.readBytes, 4);
});

test('waiting for an event leaves no listener behind', async () => {
  const emitter = new EventEmitter();
  const waiting = eventOf(emitter, ['a', 'b'], never);
  emitter.emit('b');
  await waiting;
  assert.deepEqual(emitter.eventNames(), []);
});

test('an operation that never answers ends with the abort', async () => {
  const abort = new AbortController();
  const waiting = orAbort(abort.signal, () => undefined);
  abort.abort();
  await assert.rejects(waiting, (thrown) => hasCode(thrown, 'cancelled'));
  await assert.rejects(
    orAbort(abort.signal, () => assert.fail('started after the abort')),
    (thrown) => hasCode(thrown, 'cancelled'),
  );
});
