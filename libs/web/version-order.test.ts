import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestVersionsFirst } from './version-order.ts';

const refs = (...names: readonly string[]): readonly { readonly name: string; readonly oid: string }[] =>
  names.toSorted().map((name) => ({ name, oid: '0'.repeat(40) }));

const names = (found: readonly { readonly name: string }[]): readonly string[] =>
  found.map(({ name }) => name);

test('versions sort by their numbers, and candidates before what they become', () => {
  assert.deepEqual(
    names(
      newestVersionsFirst(refs('v1.9', 'v1.10', 'v1.10-rc1', 'v1.10-rc2', 'v1.10.1', 'v2', 'latest'), 10),
    ),
    ['v2', 'v1.10.1', 'v1.10', 'v1.10-rc2', 'v1.10-rc1', 'v1.9', 'latest'],
  );
});

test('a page of them starts where the one before it ended', () => {
  const all = refs('v1', 'v2', 'v3', 'v4');
  assert.deepEqual(names(newestVersionsFirst(all, 2)), ['v4', 'v3']);
  assert.deepEqual(names(newestVersionsFirst(all, 2, 2)), ['v2', 'v1']);
  assert.deepEqual(newestVersionsFirst(all, 2, 9), []);
});

test('so many that sorting would take long are taken from the end', () => {
  const many = refs(...Array.from({ length: 6_000 }, (_, index) => `t${String(index).padStart(6, '0')}`));
  assert.deepEqual(names(newestVersionsFirst(many, 2, 1)), ['t005998', 't005997']);
  assert.deepEqual(names(newestVersionsFirst(many, 2, 5_999)), ['t000000']);
  assert.deepEqual(newestVersionsFirst(many, 2, 7_000), []);
});
