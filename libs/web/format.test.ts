import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, formatSize, formatTime, offset, shortOid } from './format.ts';

test('sizes have three digits at most, in the unit that fits', () => {
  const sizes = [0, 1, 1023, 1024, 1536, 1024 * 1024 - 1, 1024 * 1024, 150 * 1024 * 1024, 5e15];
  assert.deepEqual(sizes.map(formatSize), [
    '0 bytes',
    '1 byte',
    '1023 bytes',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 MiB',
    '1.0 MiB',
    '150 MiB',
    '4547 TiB',
  ]);
});

test('a time is a date for people and exact for machines', async () => {
  assert.equal(
    (await formatTime(1_700_000_000_000)).toString(),
    '<time datetime="2023-11-14T22:13:20.000Z" title="2023-11-14 22:13:20 UTC">2023-11-14</time>',
  );
});

test('counts agree with their nouns', () => {
  assert.deepEqual(
    [count(1, 'file'), count(0, 'file'), count(1234, 'file')],
    ['1 file', '0 files', '1,234 files'],
  );
  assert.equal(shortOid('0123456789abcdef'), '0123456789');
});

test('an offset is a whole number, whatever is asked for', () => {
  const asked = ['30', '0', '-1', '1.5', '1e9', 'x', '', '99999999999999999999', undefined];
  assert.deepEqual(asked.map(offset), [30, 0, 0, 0, 0, 0, 0, 0, 0]);
});
