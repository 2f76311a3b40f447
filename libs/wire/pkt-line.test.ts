import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PackhorseError } from '#base';
import { fuzzRuns } from '#test/fuzz';
import {
  decodePktLine,
  encodePktLine,
  maxPktLineBytes,
  maxPktPayloadBytes,
  pktLineText,
} from './pkt-line.ts';
import { PktReader } from './pkt-reader.ts';
import { chunked } from './testing/transcript.ts';

async function readAll(bytes: Uint8Array, chunkBytes: number): Promise<string[]> {
  const reader = new PktReader(chunked(bytes, chunkBytes));
  const lines: string[] = [];
  for (let line = await reader.read(); line !== undefined; line = await reader.read()) {
    lines.push(line.kind === 'data' ? line.payload.toString('latin1') : `<${line.kind}>`);
  }
  return lines;
}

const isInvalid = (error: unknown): boolean =>
  error instanceof PackhorseError && error.code === 'invalid_argument';

test('a line is its length in four hexadecimal digits and its payload', () => {
  assert.equal(encodePktLine('a\n').toString(), '0006a\n');
  assert.equal(encodePktLine('').toString(), '0004');
  assert.equal(encodePktLine('é').toString(), '0006é');
});

test('the longest line has 65520 bytes and one more byte is refused', () => {
  assert.equal(encodePktLine('x'.repeat(maxPktPayloadBytes)).length, maxPktLineBytes);
  assert.throws(() => encodePktLine('x'.repeat(maxPktPayloadBytes + 1)), PackhorseError);
  const longest = encodePktLine('x'.repeat(maxPktPayloadBytes));
  assert.equal(decodePktLine(longest).status, 'complete');
  assert.throws(() => decodePktLine(Buffer.from('fff1')), isInvalid);
});

test('the decoder says how many bytes it needs at least', () => {
  const steps = ['', '0', '000', '0009', '0009hel'].map((text) => decodePktLine(Buffer.from(text)));
  assert.deepEqual(
    steps.map((step) => (step.status === 'incomplete' ? step.missingBytes : undefined)),
    [4, 3, 1, 5, 2],
  );
});

test('an empty line, upper-case digits and all special lines are understood', async () => {
  const lines = await readAll(Buffer.from('0000000100020004000Aabcdef'), 1);
  assert.deepEqual(lines, ['<flush>', '<delim>', '<response-end>', '', 'abcdef']);
});

test('only one line feed at the end belongs to the framing of a text line', () => {
  const texts = ['a\n', 'a', 'a\n\n', '', '\n'].map((text) => pktLineText(Buffer.from(text)));
  assert.deepEqual(texts, ['a', 'a', 'a\n', '', '']);
});

for (const bad of ['0003', 'xyzw', '00g0', '-001', '  10', 'ffff', 'PACK', '\0\0\0\0']) {
  test(`the length ${JSON.stringify(bad)} is refused, also when its bytes come one by one`, async () => {
    for (const chunkBytes of [1, 4]) await assert.rejects(readAll(Buffer.from(bad), chunkBytes), isInvalid);
  });
}

test('a stream that ends inside a line is refused wherever it ends', async () => {
  const whole = encodePktLine('hello');
  for (let length = 1; length < whole.length; length += 1) {
    await assert.rejects(readAll(whole.subarray(0, length), 2), isInvalid, `cut at ${length}`);
  }
});

test('lines come back as they were written, however the stream is cut', async () => {
  const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(fc.array(payload), fc.integer({ min: 1, max: 700 }), async (payloads, chunkBytes) => {
      const encoded = payloads.flatMap((bytes) => [
        Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')),
        bytes,
      ]);
      const lines = await readAll(Buffer.concat(encoded), chunkBytes);
      assert.deepEqual(
        lines,
        payloads.map((bytes) => bytes.toString('latin1')),
      );
    }),
    fuzzRuns(200),
  );
});

test('any bytes at all are either lines or refused, never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 64 }),
      fc.integer({ min: 1, max: 9 }),
      async (bytes, chunkBytes) => {
        await readAll(bytes, chunkBytes).catch((error: unknown) =>
          assert.ok(isInvalid(error), String(error)),
        );
      },
    ),
    fuzzRuns(200),
  );
});

test('what follows the lines is handed on byte for byte', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      async (rest, chunkBytes) => {
        const reader = new PktReader(chunked(Buffer.concat([Buffer.from('0006ab0000'), rest]), chunkBytes));
        await reader.read();
        await reader.read();
        const chunks: Uint8Array[] = [];
        for await (const chunk of reader.rest()) chunks.push(chunk);
        assert.deepEqual(Buffer.concat(chunks), Buffer.from(rest));
      },
    ),
    fuzzRuns(200),
  );
});

test('the rest can be left while a chunk is awaited that never comes', async () => {
  const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
  const rest = new PktReader(silent).rest()[Symbol.asyncIterator]();
  const pending = rest.next();
  assert.deepEqual(await rest.return?.(), { done: true, value: undefined });
  assert.equal(await Promise.race([pending, Promise.resolve('still waiting')]), 'still waiting');
});
