import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hiddenRefs, visibleTips } from './hidden-refs.ts';
import { oidOf, snapshotOf } from './testing/memory-repository.ts';

const table: readonly (readonly [string, readonly string[], readonly string[], readonly string[]])[] = [
  ['nothing by default', [], [], ['refs/heads/main', 'HEAD']],
  ['a whole name', ['refs/heads/x'], ['refs/heads/x', 'refs/heads/x/y'], ['refs/heads/xy', 'refs/heads']],
  [
    'what is below a name',
    ['refs/pull'],
    ['refs/pull/1/head', 'refs/pull'],
    ['refs/pulls/1', 'refs/heads/pull'],
  ],
  ['the same with slashes behind it', ['refs/pull//'], ['refs/pull/1'], ['refs/pulls']],
  [
    'all but one',
    ['refs/pull', '!refs/pull/2'],
    ['refs/pull/1', 'refs/pull/20'],
    ['refs/pull/2', 'refs/pull/2/head'],
  ],
  ['what the last pattern says', ['!refs/pull/2', 'refs/pull'], ['refs/pull/2'], []],
  ['full names', ['^refs/pull', '!^refs/pull/2'], ['refs/pull/1'], ['refs/pull/2']],
];

for (const [name, patterns, hidden, shown] of table) {
  test(`patterns hide ${name}`, () => {
    const rule = hiddenRefs(patterns);
    for (const ref of hidden) assert.ok(rule.hides(ref), ref);
    for (const ref of shown) assert.ok(!rule.hides(ref), ref);
  });
}

test('an object that only a hidden ref names is not advertised', () => {
  const [main, pull] = [oidOf('main'), oidOf('pull')];
  const snapshot = snapshotOf([
    { name: 'refs/heads/main', oid: main },
    { name: 'refs/pull/1', oid: pull },
  ]);
  for (const [patterns, expected] of [
    [[], [true, true]],
    [['refs/pull'], [true, false]],
    [['refs/heads'], [true, true]],
    [
      ['refs/heads', 'HEAD'],
      [false, true],
    ],
  ] as const) {
    const rule = hiddenRefs(patterns);
    assert.deepEqual(
      [visibleTips(snapshot, rule).has(main), visibleTips(snapshot, rule).has(pull)],
      expected,
    );
  }
});
