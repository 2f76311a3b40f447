import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TurnMemo } from './turn-memo.ts';

test('what is asked for in one turn of the event loop is found out once, in the next one anew', async () => {
  const memo = new TurnMemo<string, number>();
  let asked = 0;
  const ask = (key: string): number => memo.get(key, () => (asked += 1));
  await nextTurn();
  assert.equal(ask('a'), 1);
  assert.equal(ask('b'), 2);
  assert.equal(ask('a'), 1);
  await Promise.resolve();
  assert.equal(ask('a'), 1, 'microtasks belong to the turn that made them');
  await nextTurn();
  assert.equal(ask('a'), 3);
});

test('a tick begins a new turn', async () => {
  const memo = new TurnMemo<string, number>();
  let asked = 0;
  const ask = (): number => memo.get('', () => (asked += 1));
  await nextTurn();
  ask();
  await new Promise<void>((resolve) => process.nextTick(resolve));
  assert.equal(ask(), 2);
});

test('what is changed in the turn is found out anew, and a failure is not remembered', () => {
  const memo = new TurnMemo<string, number | undefined>();
  let asked = 0;
  const ask = (): number | undefined => memo.get('', () => ((asked += 1) === 1 ? undefined : asked));
  const fail = (): number => {
    throw new Error('no');
  };
  assert.throws(() => memo.get('', fail));
  assert.equal(ask(), undefined);
  assert.equal(ask(), undefined, 'nothing is an answer as well');
  memo.forget();
  assert.equal(ask(), 2);
});
