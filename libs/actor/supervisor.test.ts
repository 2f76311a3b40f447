import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, ManualClock, PackhorseError } from '#base';
import { Journal, newGate, newSystem, probe, type ProbeArgs, type ProbeMessage } from './fixture.ts';
import {
  type ActorRef,
  type Address,
  type RestartKind,
  type RestartLimit,
  type Strategy,
  type Supervisor,
  supervisor,
  worker,
  type WorkerSpec,
} from './index.ts';

type Child = { readonly spec: WorkerSpec<ProbeMessage>; readonly restart: RestartKind };
type Trio = Supervisor<{ readonly a: Child; readonly b: Child; readonly c: Child }>;

interface TrioOptions {
  readonly restart?: Partial<Record<'a' | 'b' | 'c', RestartKind>>;
  readonly limit?: RestartLimit;
  readonly clock?: ManualClock;
  readonly args?: Partial<Record<'a' | 'b' | 'c', Partial<ProbeArgs>>>;
}

/** Three children, started. */
async function startTrio(
  strategy: Strategy,
  options: TrioOptions = {},
): Promise<{ readonly trio: Trio; readonly journal: Journal }> {
  const journal = new Journal();
  const child = (name: 'a' | 'b' | 'c'): Child => ({
    spec: worker(probe, { name, journal, ...options.args?.[name] }),
    restart: options.restart?.[name] ?? 'permanent',
  });
  const spec = supervisor({
    strategy,
    children: { a: child('a'), b: child('b'), c: child('c') },
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  });
  const trio = newSystem(options.clock === undefined ? {} : { clock: options.clock }).spawn(spec);
  await trio.started();
  assert.deepEqual(journal.take(), ['a starts', 'b starts', 'c starts']);
  return { trio, journal };
}

async function crash(address: Address<ProbeMessage>): Promise<void> {
  await assert.rejects(address.call({ type: 'crash' }), (error) => hasCode(error, 'data_loss'));
}

function only(refs: readonly ActorRef<ProbeMessage>[]): ActorRef<ProbeMessage> {
  assert.equal(refs.length, 1);
  return refs[0] as ActorRef<ProbeMessage>;
}

test('one-for-one restarts only the child that crashed', async () => {
  const { trio, journal } = await startTrio('one-for-one');
  await crash(trio.child('b'));
  await journal.reached('b starts');
  assert.equal(await trio.child('b').call({ type: 'echo', text: 'x' }), 'x');
  assert.deepEqual(journal.take(), ['b ends: crash', 'b starts']);
});

test('one-for-all stops all in reverse order and starts all in order', async () => {
  const { trio, journal } = await startTrio('one-for-all');
  await crash(trio.child('b'));
  await journal.reached('c starts');
  assert.deepEqual(journal.take(), [
    'b ends: crash',
    'c ends: shutdown',
    'a ends: shutdown',
    'a starts',
    'b starts',
    'c starts',
  ]);
});

test('rest-for-one restarts the child that crashed and those started after it', async () => {
  const { trio, journal } = await startTrio('rest-for-one');
  await crash(trio.child('b'));
  await journal.reached('c starts');
  assert.deepEqual(journal.take(), ['b ends: crash', 'c ends: shutdown', 'b starts', 'c starts']);
});

test('children begin one after the other, each when the one before it has started', async () => {
  const journal = new Journal();
  const gate = newGate();
  const pair = newSystem().spawn(
    supervisor({
      strategy: 'one-for-one',
      children: {
        slow: { spec: worker(probe, { name: 'slow', journal, start: () => gate.opened }) },
        quick: { spec: worker(probe, { name: 'quick', journal }) },
      },
    }),
  );
  // It takes messages although it cannot begin yet.
  const echoed = pair.child('quick').call({ type: 'echo', text: 'x' });
  await new Promise(setImmediate);
  assert.deepEqual(journal.entries, []);
  gate.open();
  assert.equal(await echoed, 'x');
  assert.deepEqual(journal.entries, ['slow starts', 'quick starts']);
});

test('a permanent child is restarted after a normal exit, a transient and a temporary one are not', async () => {
  const { trio, journal } = await startTrio('one-for-one', { restart: { a: 'transient', b: 'temporary' } });
  await only(trio.instances('a')).stop();
  await only(trio.instances('b')).stop();
  // Exits are seen to in order, so once this one is back, nothing more comes of the others.
  await only(trio.instances('c')).stop();
  await journal.reached('c starts');
  assert.deepEqual(journal.take(), ['a ends: normal', 'b ends: normal', 'c ends: normal', 'c starts']);
  await assert.rejects(trio.child('a').call({ type: 'echo', text: 'x' }), (error) =>
    hasCode(error, 'unavailable'),
  );
  assert.equal(trio.child('a').cast({ type: 'note', text: 'x' }), false);
});

test('a transient child is restarted after a crash and after a kill, a temporary one never', async () => {
  const { trio, journal } = await startTrio('one-for-one', { restart: { a: 'transient', b: 'temporary' } });
  await crash(trio.child('b'));
  await crash(trio.child('a'));
  await journal.reached('a starts');
  only(trio.instances('a')).kill();
  await journal.reached('a starts', 2);
  assert.deepEqual(journal.take(), ['b ends: crash', 'a ends: crash', 'a starts', 'a starts']);
});

test('one-for-all does not bring back temporary children', async () => {
  const { trio, journal } = await startTrio('one-for-all', { restart: { c: 'temporary' } });
  await crash(trio.child('a'));
  await journal.reached('b starts');
  await trio.child('b').call({ type: 'echo', text: 'x' });
  assert.equal(journal.entries.includes('c starts'), false);
  assert.equal(trio.instances('c').length, 0);
});

test('more restarts than the limit allows make the supervisor stop its children and crash', async () => {
  const { trio, journal } = await startTrio('one-for-one', { limit: { maxRestarts: 2, windowMs: 1000 } });
  for (const times of [1, 2]) {
    await crash(trio.child('b'));
    await journal.reached('b starts', times);
  }
  await crash(trio.child('b'));
  const reason = await trio.exited();
  assert.ok(reason.kind === 'crash' && hasCode(reason.error, 'unavailable'));
  assert.ok(hasCode(reason.error.cause, 'data_loss'));
  assert.deepEqual(journal.take().slice(-3), ['b ends: crash', 'c ends: shutdown', 'a ends: shutdown']);
});

test('restarts count only within the window', async () => {
  const clock = new ManualClock();
  const { trio, journal } = await startTrio('one-for-one', {
    clock,
    limit: { maxRestarts: 1, windowMs: 1000 },
  });
  for (const times of [1, 2, 3, 4]) {
    await crash(trio.child('b'));
    await journal.reached('b starts', times);
    clock.advance(1000);
  }
  await crash(trio.child('b'));
  await journal.reached('b starts', 5);
  clock.advance(999);
  await crash(trio.child('b'));
  assert.equal((await trio.exited()).kind, 'crash');
});

test('a supervisor that gives up is restarted by the one above it, with all of its children', async () => {
  const journal = new Journal();
  const inner = supervisor({
    strategy: 'one-for-one',
    limit: { maxRestarts: 0, windowMs: 1000 },
    children: {
      a: { spec: worker(probe, { name: 'a', journal }) },
      b: { spec: worker(probe, { name: 'b', journal }) },
    },
  });
  const outer = newSystem().spawn(
    supervisor({ strategy: 'one-for-one', children: { inner: { spec: inner } } }),
  );
  await outer.started();
  const former = outer.child('inner');
  await crash(former.child('a'));
  await former.exited();
  await journal.reached('b starts', 2);
  assert.notEqual(outer.child('inner').id, former.id);
  assert.equal(await outer.child('inner').child('b').call({ type: 'echo', text: 'x' }), 'x');
});

test('a child that fails to start makes the start of its supervisor fail, and those before it stop', async () => {
  const journal = new Journal();
  const error = new PackhorseError('not_found', 'No such volume.');
  const pair = newSystem().spawn(
    supervisor({
      strategy: 'one-for-one',
      children: {
        a: { spec: worker(probe, { name: 'a', journal }) },
        b: { spec: worker(probe, { name: 'b', journal, start: () => Promise.reject(error) }) },
        c: { spec: worker(probe, { name: 'c', journal }) },
      },
    }),
  );
  await assert.rejects(pair.started(), error);
  assert.deepEqual(await pair.exited(), { kind: 'crash', error });
  assert.deepEqual(journal.entries, ['a starts', 'a ends: shutdown']);
});

test('a child that cannot start again uses up the restart limit', async () => {
  let starts = 0;
  const start = (): Promise<void> => {
    starts += 1;
    return starts === 1 ? Promise.resolve() : Promise.reject(new PackhorseError('not_found', 'It is gone.'));
  };
  const { trio, journal } = await startTrio('rest-for-one', {
    args: { b: { start } },
    limit: { maxRestarts: 3, windowMs: 1000 },
  });
  await crash(trio.child('b'));
  assert.equal((await trio.exited()).kind, 'crash');
  assert.equal(starts, 4);
  assert.deepEqual(journal.take(), ['b ends: crash', 'c ends: shutdown', 'a ends: shutdown']);
});

test('calls that arrive while children restart wait for the new ones', async () => {
  const gate = newGate();
  const { trio, journal } = await startTrio('one-for-all', { args: { a: { end: () => gate.opened } } });
  await crash(trio.child('b'));
  await journal.reached('c ends: shutdown');
  const echoed = trio.child('c').call({ type: 'echo', text: 'x' });
  gate.open();
  assert.equal(await echoed, 'x');
});

test('a child that does not stop in time is killed', async () => {
  const clock = new ManualClock();
  const gate = newGate();
  const { trio, journal } = await startTrio('one-for-all', {
    clock,
    args: { c: { end: () => gate.opened } },
  });
  const stopping = only(trio.instances('c'));
  await crash(trio.child('a'));
  // `c` has begun to stop once its address leads to a new one.
  await journal.reached('a ends: crash');
  while (stopping.accepting) await new Promise(setImmediate);
  clock.advance(5000);
  assert.deepEqual(await stopping.exited(), { kind: 'killed' });
  await journal.reached('c starts');
  gate.open();
});

test('a supervisor stops its children in reverse order and restarts none', async () => {
  const { trio, journal } = await startTrio('one-for-all');
  await trio.stop();
  assert.deepEqual(journal.take(), ['c ends: shutdown', 'b ends: shutdown', 'a ends: shutdown']);
});

test('a supervisor that drains restarts nothing, so that a crash costs the others none of their work', async () => {
  const gate = newGate();
  const restarting = newGate();
  let starts = 0;
  const start = async (): Promise<void> => {
    starts += 1;
    if (starts === 1) return;
    restarting.open();
    await gate.opened;
  };
  const { trio, journal } = await startTrio('one-for-all', { args: { b: { start } } });
  await crash(trio.child('b'));
  // While the supervisor waits for `b` to start, `a` crashes too.
  await restarting.opened;
  const [a] = trio.instances('a');
  await crash(trio.child('a'));
  await a?.exited();
  const work = newGate();
  trio.child('b').cast({ type: 'wait', gate: work.opened });
  trio.child('b').cast({ type: 'note', text: 'last' });
  const stopped = trio.stop({ drain: true });
  gate.open();
  await journal.reached('b waits');
  // The supervisor sees the crash of `a` while `b` is still at work.
  await new Promise(setImmediate);
  work.open();
  await stopped;
  assert.equal(journal.count('a starts'), 1);
  assert.equal(journal.count('b: last'), 1);
});

test('draining a supervisor lets its children handle what waits', async () => {
  const { trio, journal } = await startTrio('one-for-one');
  const gate = newGate();
  trio.child('a').cast({ type: 'wait', gate: gate.opened });
  trio.child('a').cast({ type: 'note', text: 'last' });
  await journal.reached('a waits');
  const stopped = trio.stop({ drain: true });
  await journal.reached('b ends: shutdown');
  gate.open();
  await stopped;
  assert.deepEqual(journal.take().slice(-3), ['a is through', 'a: last', 'a ends: shutdown']);
});

test('equals of one role share the work: a message goes to the least busy', async () => {
  const journal = new Journal();
  const readers = newSystem().spawn(
    supervisor({
      strategy: 'one-for-one',
      children: { reader: { spec: worker(probe, { name: 'r', journal }), instances: 3 } },
    }),
  );
  await readers.started();
  const gate = newGate();
  const address = readers.child('reader');
  const busy = [1, 2].map(() => address.call({ type: 'wait', gate: gate.opened }));
  assert.equal(await address.call({ type: 'echo', text: 'x' }), 'x');
  assert.deepEqual(
    readers.instances('reader').map((reader) => reader.load),
    [1, 1, 0],
  );
  gate.open();
  await Promise.all(busy);
});

test('the crash of one equal leaves the others at work', async () => {
  const journal = new Journal();
  const readers = newSystem().spawn(
    supervisor({
      strategy: 'one-for-one',
      children: { reader: { spec: worker(probe, { name: 'r', journal }), instances: 2 } },
    }),
  );
  await readers.started();
  const [first, second] = readers.instances('reader');
  assert.ok(first !== undefined && second !== undefined);
  await crash(first);
  await journal.reached('r starts', 3);
  assert.equal(readers.instances('reader').length, 2);
  assert.equal(await second.call({ type: 'echo', text: 'x' }), 'x');
});
