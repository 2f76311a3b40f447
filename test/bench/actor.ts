import assert from 'node:assert/strict';
import { readSettings, silentLog, systemClock } from '#base';
import { type ActorRef, ActorSystem, type Asks, type Behaviour, dynamicSupervisor, worker } from '#actor';

/**
 * What an actor costs: run it with `node --expose-gc test/bench/actor.ts`. Every figure is the
 * median of several rounds, after one that warms up.
 */

type CounterMessage = { readonly type: 'add' } | Asks<{ readonly type: 'value' }, number>;

const counter: Behaviour<undefined, { count: number }, CounterMessage> = {
  kind: 'counter',
  init: () => ({ count: 0 }),
  handle: {
    add(state) {
      state.count += 1;
    },
    value: (state) => state.count,
  },
};

/** The same, with handlers that wait for something. */
const waiting: Behaviour<undefined, { count: number }, CounterMessage> = {
  ...counter,
  kind: 'waiting-counter',
  handle: {
    async add(state) {
      await Promise.resolve();
      state.count += 1;
    },
    async value(state) {
      await Promise.resolve();
      return state.count;
    },
  },
};

const rounds = 5;
const messages = 200_000;
const inFlight = 100;
const actors = 100_000;

function newSystem(): ActorSystem {
  return new ActorSystem({ clock: systemClock, log: silentLog, settings: readSettings().actor });
}

async function perSecond(round: () => Promise<number>): Promise<number> {
  const rates: number[] = [];
  for (let done = 0; done <= rounds; done += 1) {
    const startedMs = performance.now();
    const count = await round();
    if (done > 0) rates.push((count / (performance.now() - startedMs)) * 1000);
  }
  return rates.toSorted((one, other) => one - other)[rates.length >> 1] ?? 0;
}

/** One after the other: the time of a round trip. */
function callsInTurn(ref: ActorRef<CounterMessage>): () => Promise<number> {
  return async () => {
    for (let sent = 0; sent < messages; sent += 1) await ref.call({ type: 'value' });
    return messages;
  };
}

/** Many at once, to many actors: what a busy node does. */
function callsAtOnce(refs: readonly ActorRef<CounterMessage>[]): () => Promise<number> {
  return async () => {
    for (let sent = 0; sent < messages; sent += refs.length) {
      await Promise.all(refs.map((ref) => ref.call({ type: 'value' })));
    }
    return messages;
  };
}

/** As fast as the mailbox takes them, until all are handled. */
function casts(ref: ActorRef<CounterMessage>): () => Promise<number> {
  return async () => {
    for (let sent = 0; sent < messages; sent += 1) {
      while (!ref.cast({ type: 'add' })) await new Promise(setImmediate);
    }
    while (ref.load > 0) await new Promise(setImmediate);
    return messages;
  };
}

function callsOnDemand(): () => Promise<number> {
  const children = newSystem().spawn(
    dynamicSupervisor({ idleMs: 60_000, child: () => worker(counter, undefined) }),
  );
  const keys = Array.from({ length: inFlight }, (_, index) => `repository-${index}`);
  return async () => {
    for (let sent = 0; sent < messages; sent += keys.length) {
      await Promise.all(keys.map((key) => children.child(key).call({ type: 'value' })));
    }
    return messages;
  };
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('Run this with node --expose-gc.');
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** Bytes per actor that has handled a message and rests. `start` must keep what it makes alive. */
async function bytesAtRest(start: (index: number) => ActorRef<CounterMessage>): Promise<number> {
  const before = heapBytes();
  for (let index = 0; index < actors; index += 1) await start(index).call({ type: 'value' });
  return (heapBytes() - before) / actors;
}

async function idleBytes(): Promise<readonly [plain: number, onDemand: number]> {
  const system = newSystem();
  const plain = await bytesAtRest(() => system.spawn(worker(counter, undefined)));
  const children = newSystem().spawn(
    dynamicSupervisor({ idleMs: 60_000, child: () => worker(counter, undefined) }),
  );
  const onDemand = await bytesAtRest((index) => children.child(`repository-${index}`));
  // Both systems are still in use here, so nothing of them was collected before it was counted.
  assert.ok(system.totals.live === actors && children.accepting);
  return [plain, onDemand];
}

async function main(): Promise<void> {
  const system = newSystem();
  const spawnMany = (behaviour: typeof counter): ActorRef<CounterMessage>[] =>
    Array.from({ length: inFlight }, () => system.spawn(worker(behaviour, undefined)));
  const rates: readonly (readonly [string, () => Promise<number>])[] = [
    ['calls/s, one after the other', callsInTurn(system.spawn(worker(counter, undefined)))],
    ['calls/s, one after the other, handler waits', callsInTurn(system.spawn(worker(waiting, undefined)))],
    [`calls/s, ${inFlight} actors at once`, callsAtOnce(spawnMany(counter))],
    [`calls/s, ${inFlight} actors at once, handlers wait`, callsAtOnce(spawnMany(waiting))],
    [`calls/s, ${inFlight} actors on demand`, callsOnDemand()],
    ['casts/s', casts(system.spawn(worker(counter, undefined)))],
    ['casts/s, handler waits', casts(system.spawn(worker(waiting, undefined)))],
  ];
  const rows: (readonly [string, number])[] = [];
  for (const [name, round] of rates) rows.push([name, await perSecond(round)]);
  const [plain, onDemand] = await idleBytes();
  const count = actors.toLocaleString('en');
  rows.push([`bytes per idle actor, ${count} of them`, plain]);
  rows.push([`bytes per idle actor on demand, ${count} of them`, onDemand]);
  for (const [name, value] of rows) {
    process.stdout.write(`${name.padEnd(56)}${Math.round(value).toLocaleString('en').padStart(12)}\n`);
  }
}

await main();
