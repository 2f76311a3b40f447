import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '#base';
import type { RepositoryObjects } from './objects/repository-objects.ts';
import { SharedHandle } from './pool-handle.ts';

const oid = 'a'.repeat(40);

function handle(existing: () => Promise<ReadonlySet<string>> = async () => new Set()): {
  shared: SharedHandle;
  clock: ManualClock;
  opened: () => number;
  closed: () => number;
  failNext: () => void;
} {
  const clock = new ManualClock();
  let [opened, closed, failing] = [0, 0, false];
  const shared = new SharedHandle({
    open: async () => {
      if (failing) {
        failing = false;
        throw new RangeError('cannot open');
      }
      opened += 1;
      return { existing } as unknown as RepositoryObjects;
    },
    close: async () => {
      closed += 1;
    },
    clock,
    idleMs: 1_000,
  });
  return {
    shared,
    clock,
    opened: () => opened,
    closed: () => closed,
    failNext: () => {
      failing = true;
    },
  };
}

test('who asks at once shares one handle, which closes when it has rested', async () => {
  const { shared, clock, opened, closed } = handle();
  await Promise.all([shared.existing([oid]), shared.existing([oid]), shared.existing([oid])]);
  assert.equal(opened(), 1);
  clock.advance(900);
  await shared.existing([oid]);
  clock.advance(900);
  await nextTurn();
  assert.equal(closed(), 0, 'it was used meanwhile');
  clock.advance(100);
  await nextTurn();
  assert.equal(closed(), 1);
  await shared.existing([oid]);
  assert.equal(opened(), 2);
});

test('a handle that is in use is not closed, neither by resting nor by asking', async () => {
  const gate = Promise.withResolvers<ReadonlySet<string>>();
  const { shared, clock, closed } = handle(() => gate.promise);
  const using = shared.existing([oid]);
  await nextTurn();
  await shared.close();
  clock.advance(10_000);
  await nextTurn();
  assert.equal(closed(), 0);
  gate.resolve(new Set([oid]));
  assert.deepEqual(await using, new Set([oid]));
  clock.advance(1_000);
  await nextTurn();
  assert.equal(closed(), 1);
});

test('a handle that could not be opened is tried again by the next who asks', async () => {
  const { shared, failNext, opened } = handle();
  failNext();
  await assert.rejects(shared.existing([oid]), RangeError);
  assert.deepEqual(await shared.existing([oid]), new Set());
  assert.equal(opened(), 1);
});
