import assert from 'node:assert/strict';
import { test } from 'node:test';
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
