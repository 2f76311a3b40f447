import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '#base';
import { HandleSweeper } from './handle-sweeper.ts';

function sweeper(state: { native: number }): {
  clock: ManualClock;
  handles: HandleSweeper;
  collected: () => number;
} {
  const clock = new ManualClock();
  let collections = 0;
  const collect = async (): Promise<void> => {
    collections += 1;
    state.native = 0;
  };
  return {
    clock,
    handles: new HandleSweeper(clock, () => state.native, collect),
    collected: () => collections,
  };
}

test('closed handles that linger are collected once, a while after the first was closed', () => {
  const state = { native: 3 };
  const { clock, handles, collected } = sweeper(state);
  for (let count = 0; count < 3; count += 1) handles.opened();
  handles.closed();
  handles.closed();
  clock.advance(9_000);
  assert.equal(collected(), 0);
  clock.advance(1_000);
  assert.equal(collected(), 1);
  clock.advance(60_000);
  assert.equal(collected(), 1);
});

test('nothing is collected when the closed handles have gone by themselves', () => {
  const state = { native: 2 };
  const { clock, handles, collected } = sweeper(state);
  handles.opened();
  handles.opened();
  handles.closed();
  state.native = 1;
  clock.advance(10_000);
  assert.equal(collected(), 0);
});
