import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { parseRange } from './byte-range.ts';

test('one range is read, as far as the file goes', () => {
  for (const [header, range] of [
    ['bytes=0-', [0, 100]],
    ['bytes=0-0', [0, 1]],
    ['bytes=10-19', [10, 20]],
    ['bytes=90-1000', [90, 100]],
    ['bytes=99-', [99, 100]],
    ['bytes=-10', [90, 100]],
    ['bytes=-1000', [0, 100]],
  ] as const) {
    assert.deepEqual(parseRange(header, 100), { startByte: range[0], endByte: range[1] }, header);
  }
});

test('what is not one range of bytes is ignored, and what is behind the end cannot be given', () => {
  for (const header of [
    undefined,
    '',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'lines=1-2',
    'bytes=0-1,3-4',
    'bytes=5-4',
  ]) {
    assert.equal(parseRange(header, 100), 'whole', header);
  }
  for (const header of ['bytes=100-', 'bytes=200-300', 'bytes=-0']) {
    assert.equal(parseRange(header, 100), 'unsatisfiable', header);
  }
  assert.equal(parseRange('bytes=0-', 0), 'unsatisfiable');
});

test('whatever is asked for, a range is inside the file and not empty', () => {
  const piece = fc.constantFrom(
    'bytes',
    '=',
    '-',
    ',',
    ' ',
    '0',
    '9',
    '99',
    '100',
    '9'.repeat(15),
    '9'.repeat(16),
    'x',
  );
  const header = fc.oneof(
    fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 4 }).map((pieces) => `bytes=${pieces.join('')}`),
    fc.string(),
  );
  fc.assert(
    fc.property(header, fc.oneof(fc.nat(200), fc.maxSafeNat()), (text, sizeBytes) => {
      const range = parseRange(text, sizeBytes);
      if (typeof range === 'string') return;
      assert.ok(0 <= range.startByte && range.startByte < range.endByte && range.endByte <= sizeBytes);
    }),
    fuzzRuns(500),
  );
});
