import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base';
import { ConcurrencyLimit } from './limit.ts';

test('so many run, so many wait in their order, and the next is refused', async () => {
  const limit = new ConcurrencyLimit(2, 2);
  const first = await limit.acquire();
  const second = await limit.acquire();
  const order: string[] = [];
  const third = limit.acquire().then((lease) => (order.push('third'), lease));
  const fourth = limit.acquire().then((lease) => (order.push('fourth'), lease));
  await assert.rejects(limit.acquire(), (error) => hasCode(error, 'unavailable'));
  assert.deepEqual([limit.running, limit.waiting], [2, 2]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  await fourth;
  assert.deepEqual(order, ['third', 'fourth']);
  second[Symbol.dispose]();
  assert.deepEqual([limit.running, limit.waiting], [1, 0]);
});

test('who stops waiting makes room for another', async () => {
  const limit = new ConcurrencyLimit(1, 1);
  using _running = await limit.acquire();
  const leaving = new AbortController();
  const waiting = limit.acquire(leaving.signal);
  leaving.abort();
  await assert.rejects(waiting, (error) => hasCode(error, 'cancelled'));
  assert.equal(limit.waiting, 0);
  await assert.rejects(limit.acquire(AbortSignal.abort()), (error) => hasCode(error, 'cancelled'));
});
