import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PassingBuffers } from './passing-buffers.ts';

const original = globalThis.gc;
after(() => {
  globalThis.gc = original;
});

test('the young generation is collected each 4 MiB, however they come', () => {
  const asked: unknown[] = [];
  const gc = (options?: unknown): void => void asked.push(options);
  globalThis.gc = gc as NonNullable<typeof globalThis.gc>;
  const buffers = new PassingBuffers();
  for (let index = 0; index < 63; index += 1) buffers.passed(64 * 1024);
  assert.deepEqual(asked, []);
  buffers.passed(64 * 1024);
  assert.deepEqual(asked, [{ type: 'minor' }]);
  buffers.passed(5 * 1024 * 1024);
  buffers.passed(1024);
  assert.equal(asked.length, 2);
});

test('without a way to collect nothing happens', () => {
  globalThis.gc = undefined;
  new PassingBuffers().passed(5 * 1024 * 1024);
});
