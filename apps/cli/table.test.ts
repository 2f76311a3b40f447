import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSize, formatTime } from './table.ts';
import { printable } from './terminal.ts';

test('sizes are told in the largest unit that fits', () => {
  assert.equal(formatSize(0), '0 bytes');
  assert.equal(formatSize(999), '999 bytes');
  assert.equal(formatSize(1_000), '1.0 kB');
  assert.equal(formatSize(318_245_000), '318.2 MB');
  assert.equal(formatSize(5_000_000_000_000_000), '5000.0 TB');
});

test('a time that is not there is never', () => {
  assert.equal(formatTime('2030-12-31T23:59:59.000Z'), '2030-12-31 23:59');
  assert.equal(formatTime(null), 'never');
});

test('text of others cannot steer the terminal', () => {
  assert.equal(printable('a\u001b[2Jb\u0007\r\n\u009bc'), 'a\ufffd[2Jb\ufffd\ufffd\ufffd\ufffdc');
  assert.equal(printable('Grüße 🐴'), 'Grüße 🐴');
});
