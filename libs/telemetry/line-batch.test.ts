import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitUntil } from '#test/wait';
import { LineBatch } from './line-batch.ts';

test('lines are written together, in their order, soon or when asked', async () => {
  const written: string[] = [];
  const batch = new LineBatch((text) => written.push(text));
  batch.write('one\n');
  batch.write('two\n');
  assert.deepEqual(written, []);
  batch.flush();
  batch.flush();
  assert.deepEqual(written, ['one\ntwo\n']);
  batch.write('three\n');
  await waitUntil('a line is written without being asked for', () => written.length === 2);
  assert.equal(written[1], 'three\n');
});

test('many lines do not pile up', () => {
  const written: string[] = [];
  const batch = new LineBatch((text) => written.push(text));
  const line = `${'x'.repeat(1023)}\n`;
  for (let count = 0; count < 100; count += 1) batch.write(line);
  assert.equal(written.length, 3);
  batch.flush();
  assert.equal(written.join(''), line.repeat(100));
});
