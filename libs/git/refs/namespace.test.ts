import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hiddenRefs } from '#wire';
import { namespacedPatterns, namespacedSnapshot, namespacePrefix } from './namespace.ts';
import { Snapshot } from './snapshot.ts';

const [one, two] = ['1'.repeat(40), '2'.repeat(40)];

test('a namespace within another is a directory within another', () => {
  assert.equal(namespacePrefix(undefined), '');
  assert.equal(namespacePrefix('a'), 'refs/namespaces/a/');
  assert.equal(namespacePrefix('a/b'), 'refs/namespaces/a/refs/namespaces/b/');
});

test('only what is inside is seen, under the names that it has there', () => {
  const prefix = namespacePrefix('a');
  const main = `${prefix}refs/heads/main`;
  const snapshot = new Snapshot(3, { oid: two, symref: 'refs/heads/main' }, [
    { name: 'refs/heads/main', oid: two },
    { name: `${prefix}HEAD`, oid: one, symref: main },
    { name: main, oid: one },
    { name: 'refs/namespaces/b/refs/heads/main', oid: two },
  ]);
  const inside = namespacedSnapshot(snapshot, prefix, { kind: 'symref', target: main });
  assert.deepEqual(inside.head, { oid: one, symref: 'refs/heads/main' });
  assert.deepEqual(inside.refs, [{ name: 'refs/heads/main', oid: one }]);
  assert.equal(namespacedSnapshot(snapshot, prefix, undefined), inside, 'it is made once');
});

test('HEAD of a namespace is known while its branch is unborn, and absent where there is none', () => {
  const empty = new Snapshot(1, {}, []);
  const target = 'refs/namespaces/a/refs/heads/x';
  const unborn = namespacedSnapshot(empty, namespacePrefix('a'), { kind: 'symref', target });
  assert.deepEqual(unborn.head, { symref: 'refs/heads/x' });
  assert.deepEqual(namespacedSnapshot(new Snapshot(1, {}, []), namespacePrefix('a'), undefined).head, {});
});

test('patterns that name whole refs are understood from inside', () => {
  const patterns = [
    'refs/pull',
    '^refs/namespaces/a/refs/heads/x',
    '^refs/heads/y',
    '!^refs/namespaces/a/refs/pull/1',
  ];
  const hidden = hiddenRefs(namespacedPatterns(patterns, namespacePrefix('a')));
  const names = ['refs/pull/1', 'refs/pull/2', 'refs/heads/x', 'refs/heads/y', 'HEAD'];
  assert.deepEqual(
    names.filter((name) => hidden.hides(name)),
    ['refs/pull/2', 'refs/heads/x'],
  );
  const all = hiddenRefs(namespacedPatterns(['^refs/namespaces/a/', '!refs/pull'], namespacePrefix('a')));
  assert.deepEqual(
    names.filter((name) => !all.hides(name)),
    ['refs/pull/1', 'refs/pull/2'],
  );
});
