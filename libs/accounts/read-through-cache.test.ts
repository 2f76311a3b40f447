import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '#base';
import { ReadThroughCache } from './read-through-cache.ts';

function setUp(maxEntries = 10) {
  const clock = new ManualClock(1_000);
  const cache = new ReadThroughCache<string>({ maxEntries, lifetimeMs: 100, clock });
  const reads: string[] = [];
  const load = (value: string | undefined, expiresAtMs?: number) => async () => {
    reads.push(value ?? 'nothing');
    return value === undefined ? undefined : { value, expiresAtMs };
  };
  return { clock, cache, reads, load };
}

test('what was read is remembered for its time and no longer', async () => {
  const { clock, cache, reads, load } = setUp();
  assert.equal(await cache.read('key', load('one')), 'one');
  clock.advance(99);
  assert.equal(await cache.read('key', load('two')), 'one');
  clock.advance(1);
  assert.equal(await cache.read('key', load('three')), 'three');
  assert.deepEqual(reads, ['one', 'three']);
});

test('a value that ends by itself is not remembered beyond that', async () => {
  const { clock, cache, load } = setUp();
  assert.equal(await cache.read('key', load('one', clock.nowMs() + 10)), 'one');
  clock.advance(10);
  assert.equal(await cache.read('key', load('two')), 'two');
});

test('that something is absent is asked again every time', async () => {
  const { cache, load } = setUp();
  assert.equal(await cache.read('key', load(undefined)), undefined);
  assert.equal(await cache.read('key', load('now')), 'now');
});

test('readers of one key at the same time share one load', async () => {
  const { cache, reads, load } = setUp();
  const values = await Promise.all([1, 2, 3].map(() => cache.read('key', load('one'))));
  assert.deepEqual(values, ['one', 'one', 'one']);
  assert.deepEqual(reads, ['one']);
});

test('a load that fails fails for its readers only', async () => {
  const { cache, load } = setUp();
  const failing = () => cache.read('key', () => Promise.reject(new Error('no')));
  await Promise.all([assert.rejects(failing(), /no/), assert.rejects(failing(), /no/)]);
  assert.equal(await cache.read('key', load('one')), 'one');
});

test('what matches is forgotten, the rest stays', async () => {
  const { cache, load } = setUp();
  await cache.read('a', load('one'));
  await cache.read('b', load('two'));
  cache.forget((value) => value === 'one');
  assert.equal(await cache.read('a', load('three')), 'three');
  assert.equal(await cache.read('b', load('four')), 'two');
});

test('what is being read while something is forgotten is not kept, nor shared with later readers', async () => {
  const { cache, load } = setUp();
  const { promise, resolve } = Promise.withResolvers<{ value: string }>();
  const early = cache.read('key', () => promise);
  cache.forget();
  const late = cache.read('key', load('after the change'));
  resolve({ value: 'before the change' });
  assert.equal(await early, 'before the change');
  assert.equal(await late, 'after the change');
  assert.equal(await cache.read('key', load('read again')), 'after the change');
});

test('no more is remembered than allowed: the least recently used goes first', async () => {
  const { cache, load } = setUp(2);
  await cache.read('a', load('a'));
  await cache.read('b', load('b'));
  await cache.read('a', load('x'));
  await cache.read('c', load('c'));
  assert.equal(await cache.read('a', load('new a')), 'a');
  assert.equal(await cache.read('b', load('new b')), 'new b');
});
