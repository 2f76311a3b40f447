import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, readSettings, silentLog } from '#base';
import { ActorSystem, type Asks, type Behaviour, dynamicSupervisor, supervisor, worker } from './index.ts';

type CounterMessage =
  | { readonly type: 'add'; readonly amount: number }
  | Asks<{ readonly type: 'value' }, number>;

const counter: Behaviour<number, { count: number }, CounterMessage> = {
  kind: 'counter',
  init: (start) => ({ count: start }),
  handle: {
    add: (state, { amount }) => {
      state.count += amount;
    },
    value: (state) => state.count,
  },
};

function newSystem(clock = new ManualClock()): ActorSystem {
  return new ActorSystem({ clock, log: silentLog, settings: readSettings().actor });
}

test('an actor handles casts and answers calls', async () => {
  const ref = newSystem().spawn(worker(counter, 40));
  assert.equal(ref.cast({ type: 'add', amount: 2 }), true);
  assert.equal(await ref.call({ type: 'value' }), 42);
});

test('a keyed child is started on demand, stops when idle, and is started again', async () => {
  const clock = new ManualClock();
  const counters = newSystem(clock).spawn(
    dynamicSupervisor({ child: (key) => worker(counter, key.length), idleMs: 1000 }),
  );
  const first = counters.child('abc');
  assert.equal(counters.child('abc'), first);
  await first.call({ type: 'add', amount: 1 });
  assert.equal(await first.call({ type: 'value' }), 4);
  clock.advance(1000);
  assert.equal(first.accepting, false);
  assert.equal(await counters.child('abc').call({ type: 'value' }), 3);
});

test('a pool per key: a supervisor with one writer and several readers', async () => {
  const clock = new ManualClock();
  const pools = newSystem(clock).spawn(
    dynamicSupervisor({
      idleMs: 1000,
      child: (key) =>
        supervisor({
          strategy: 'one-for-one',
          children: {
            writer: { spec: worker(counter, key.length) },
            reader: { spec: worker(counter, 7), instances: 3 },
          },
        }),
    }),
  );
  const pool = pools.child('abc');
  await pool.started();
  assert.equal(await pool.child('writer').call({ type: 'value' }), 3);
  assert.equal(pool.instances('reader').length, 3);
  assert.equal(await pool.child('reader').call({ type: 'value' }), 7);
  clock.advance(1000);
  assert.equal(pool.accepting, false);
  assert.equal(await pools.child('abc').child('writer').call({ type: 'value' }), 3);
});
