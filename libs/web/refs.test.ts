import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { findRef, refAddress, shortName } from './refs.ts';

const among =
  (...refs: readonly string[]) =>
  async (name: string): Promise<boolean> =>
    refs.includes(name);

test('an address begins with a branch or a tag, however many slashes it has', async () => {
  const exists = among('refs/heads/main', 'refs/heads/feature/x', 'refs/tags/v1');
  assert.deepEqual(await findRef(['feature', 'x', 'src'], exists), {
    ref: 'refs/heads/feature/x',
    segments: 2,
  });
  assert.deepEqual(await findRef(['v1'], exists), { ref: 'refs/tags/v1', segments: 1 });
  assert.deepEqual(await findRef(['refs', 'tags', 'v1', 'a'], exists), { ref: 'refs/tags/v1', segments: 3 });
  assert.equal(await findRef(['feature'], exists), undefined);
  assert.equal(await findRef([], exists), undefined);
});

test('an id is never taken for a ref of the same name', async () => {
  const oid = 'a'.repeat(40);
  assert.equal(await findRef([oid], among(`refs/heads/${oid}`)), undefined);
  assert.equal(await refAddress(`refs/heads/${oid}`, among(`refs/heads/${oid}`)), `refs/heads/${oid}`);
});

test('where names clash, the address says which ref is meant', async () => {
  const exists = among('refs/heads/v1', 'refs/tags/v1', 'refs/tags/a', 'refs/heads/a/b', 'refs/heads/HEAD');
  assert.equal(await refAddress('refs/heads/v1', exists), 'v1');
  assert.equal(await refAddress('refs/tags/v1', exists), 'refs/tags/v1');
  assert.equal(await refAddress('refs/heads/a/b', exists), 'refs/heads/a/b');
  assert.equal(await refAddress('refs/heads/HEAD', exists), 'refs/heads/HEAD');
});

test('the address of every ref leads back to it, with any path after it', async () => {
  const segment = fc.constantFrom('a', 'b', 'refs', 'heads', 'tags', 'HEAD', 'c'.repeat(40));
  const ref = fc
    .tuple(fc.constantFrom('refs/heads/', 'refs/tags/'), fc.array(segment, { minLength: 1, maxLength: 4 }))
    .map(([prefix, segments]) => prefix + segments.join('/'));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(ref, { maxLength: 6 }),
      fc.array(segment, { maxLength: 2 }),
      async (all, path) => {
        // As in a repository, no ref is a directory of another one.
        const refs = all.filter((one) => !all.some((other) => other.startsWith(`${one}/`)));
        const exists = among(...refs);
        for (const one of refs) {
          const address = (await refAddress(one, exists)).split('/');
          const found = await findRef([...address, ...path], exists);
          assert.deepEqual(found, { ref: one, segments: address.length });
        }
      },
    ),
  );
});

test('a path behind a branch called refs is not taken for another ref', async () => {
  const exists = among('refs/heads/refs', 'refs/heads/a');
  const address = (await refAddress('refs/heads/refs', exists)).split('/');
  assert.deepEqual(await findRef([...address, 'heads', 'a'], exists), {
    ref: 'refs/heads/refs',
    segments: address.length,
  });
});

test('people know branches and tags by their short names', () => {
  assert.equal(shortName('refs/heads/a/b'), 'a/b');
  assert.equal(shortName('refs/tags/v1'), 'v1');
  assert.equal(shortName('refs/notes/commits'), 'refs/notes/commits');
});
