import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '#base';
import { StallWatch } from './stall-watch.ts';

test('a stall is noticed once nothing has moved for long enough', () => {
  const clock = new ManualClock();
  let stalls = 0;
  const watch = new StallWatch(clock, 100, () => (stalls += 1));
  clock.advance(60);
  watch.moved();
  clock.advance(99);
  assert.equal(stalls, 0);
  clock.advance(1);
  assert.equal(stalls, 1);
  clock.advance(1000);
  assert.equal(stalls, 1);
});

test('a watch that is stopped notices nothing more', () => {
  const clock = new ManualClock();
  const watch = new StallWatch(clock, 100, () => assert.fail('noticed a stall'));
  clock.advance(60);
  watch.moved();
  clock.advance(60);
  watch.stop();
  clock.advance(1000);
});
