import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ObjectCache } from './object-cache.ts';

test('what is cached stays within the budget, whatever is put in', () => {
  const writes = fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 5_000 })));
  fc.assert(
    fc.property(writes, (entries) => {
      const cache = new ObjectCache({ maxBytes: 10_000, maxEntryBytes: 4_000 });
      const repository = cache.of('one');
      for (const [key, sizeBytes] of entries) {
        repository.set('blob', `${key}`, Buffer.alloc(sizeBytes));
        assert.ok(cache.sizeBytes <= 10_000);
      }
    }),
  );
});

test('the least recently used goes first, and what is too large is never kept', () => {
  const cache = new ObjectCache({ maxBytes: 3_000, maxEntryBytes: 1_000 });
  const repository = cache.of('one');
  repository.set('blob', 'first', Buffer.alloc(700));
  repository.set('blob', 'second', Buffer.alloc(700));
  assert.ok(repository.get('blob', 'first'));
  repository.set('blob', 'third', Buffer.alloc(700));
  repository.set('blob', 'fourth', Buffer.alloc(700));
  assert.ok(repository.get('blob', 'first'));
  assert.equal(repository.get('blob', 'second'), undefined);
  repository.set('blob', 'large', Buffer.alloc(1_001));
  assert.equal(repository.get('blob', 'large'), undefined);
});

test('a repository never sees what another one has cached', () => {
  const cache = new ObjectCache({ maxBytes: 1_000_000, maxEntryBytes: 1_000_000 });
  cache.of('one').set('blob', 'key', Buffer.from('secret'));
  assert.equal(cache.of('two').get('blob', 'key'), undefined);
  assert.equal(cache.of('one').get('header', 'key'), undefined);
  assert.equal(cache.of('').get('blob', 'key'), undefined);
  assert.equal(cache.of('one').get('blob', 'key')?.toString(), 'secret');
});

test('who asks for what is being loaded shares the load, and its failure, which is not remembered', async () => {
  const repository = new ObjectCache({ maxBytes: 1_000_000, maxEntryBytes: 1_000_000 }).of('one');
  let loads = 0;
  const gate = Promise.withResolvers<Buffer>();
  const load = (): Promise<Buffer> => {
    loads += 1;
    return gate.promise;
  };
  const asked = [repository.fetch('blob', 'key', load), repository.fetch('blob', 'key', load)];
  gate.reject(new RangeError('broken'));
  const outcomes = await Promise.allSettled(asked);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(loads, 1);
  assert.equal(await repository.fetch('blob', 'key', async () => undefined), undefined);
  assert.equal((await repository.fetch('blob', 'key', async () => Buffer.from('now')))?.toString(), 'now');
  assert.equal((await repository.fetch('blob', 'key', load))?.toString(), 'now');
  assert.equal(loads, 1);
});
