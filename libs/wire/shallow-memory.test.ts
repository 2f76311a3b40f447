import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Oid } from '#base';
import { rememberedBoundary } from './shallow-memory.ts';
import type { Deepen, RefSnapshot } from './repository.ts';

const snapshot = (): RefSnapshot => ({
  generation: 1,
  head: {},
  refs: [],
  get: () => undefined,
  withPrefix: () => [],
  namesObject: () => false,
});

test('a boundary is found once for the same refs, shallow commits, wants and depth', async () => {
  let runs = 0;
  const boundary = new Set<Oid>(['c']);
  const find = (): Promise<ReadonlySet<Oid>> => {
    runs += 1;
    return Promise.resolve(boundary);
  };
  const deepen: Deepen = { kind: 'depth', depth: 1, relative: false };
  const question = { snapshot: snapshot(), shallows: new Set<Oid>(), wants: ['a', 'b'], deepen };
  assert.equal(await rememberedBoundary(question, find), boundary);
  assert.equal(await rememberedBoundary({ ...question, wants: ['b', 'a'] }, find), boundary);
  assert.equal(runs, 1);
  const others = [
    { ...question, wants: ['a'] },
    { ...question, deepen: { ...deepen, depth: 2 } },
    { ...question, snapshot: snapshot() },
    { ...question, shallows: new Set<Oid>(['a']) },
  ];
  for (const [at, other] of others.entries()) {
    await rememberedBoundary(other, find);
    assert.equal(runs, at + 2);
  }
});
