import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, ManualClock, PackhorseError } from '#base';
import { Journal, newGate, newSystem, probe, type ProbeArgs, type ProbeMessage } from './fixture.ts';
import {
  type ActorRef,
  type ActorSystem,
  type Asks,
  type Behaviour,
  type DynamicSupervisor,
  type DynamicSupervisorOptions,
  dynamicSupervisor,
  supervisor,
  worker,
} from './index.ts';

interface Fixture {
  readonly system: ActorSystem;
  readonly clock: ManualClock;
  readonly journal: Journal;
  readonly probes: DynamicSupervisor<ActorRef<ProbeMessage>>;
}

function newProbes(
  options: Omit<DynamicSupervisorOptions<ActorRef<ProbeMessage>>, 'child'> = {},
  args: (key: string) => Partial<ProbeArgs> = () => ({}),
): Fixture {
  const clock = new ManualClock();
  const journal = new Journal();
  const system = newSystem({ clock });
  const child = (key: string) => worker(probe, { name: key, journal, ...args(key) });
  return { system, clock, journal, probes: system.spawn(dynamicSupervisor({ ...options, child })) };
}

test('two who ask for a key at once get the same child, which starts once', async () => {
  const { probes, journal } = newProbes();
  assert.equal(probes.running('a'), undefined);
  const [one, other] = [probes.child('a'), probes.child('a')];
  assert.equal(one, other);
  await Promise.all([
    one.call({ type: 'echo', text: 'x' }),
    probes.child('b').call({ type: 'echo', text: 'x' }),
  ]);
  assert.equal(probes.running('a'), one);
  assert.deepEqual([...probes.keys], ['a', 'b']);
  assert.deepEqual(journal.entries, ['a starts', 'b starts']);
});

test('a child stops after it rested for `idleMs`, counted from its last message', async () => {
  const { probes, clock, journal } = newProbes({ idleMs: 1000 });
  const child = probes.child('a');
  await child.call({ type: 'echo', text: 'x' });
  clock.advance(999);
  await child.call({ type: 'echo', text: 'x' });
  clock.advance(999);
  assert.equal(child.accepting, true);
  clock.advance(1);
  assert.deepEqual(await child.exited(), { kind: 'normal' });
  assert.deepEqual(journal.entries, ['a starts', 'a ends: normal']);
  assert.equal(probes.running('a'), undefined);
});

test('a child that was never sent anything stops too', async () => {
  const { probes, clock } = newProbes({ idleMs: 1000 });
  const child = probes.child('a');
  await child.started();
  clock.advance(1000);
  assert.deepEqual(await child.exited(), { kind: 'normal' });
});

test('a child at work does not stop, however long that takes', async () => {
  const { probes, clock, journal } = newProbes({ idleMs: 1000 });
  const gate = newGate();
  const child = probes.child('a');
  const waited = child.call({ type: 'wait', gate: gate.opened }, { timeoutMs: 100_000 });
  await journal.reached('a waits');
  clock.advance(5000);
  assert.equal(child.accepting, true);
  gate.open();
  await waited;
  clock.advance(1000);
  assert.equal(child.accepting, false);
});

test('a call that arrives while the child is stopping for idleness starts a new one after it', async () => {
  const gate = newGate();
  const { probes, clock, journal } = newProbes({ idleMs: 1000 }, () => ({ end: () => gate.opened }));
  const former = probes.child('a');
  await former.call({ type: 'echo', text: 'x' });
  clock.advance(1000);
  assert.equal(former.accepting, false);
  const [one, other] = [probes.child('a'), probes.child('a')];
  assert.equal(one, other);
  const echoed = one.call({ type: 'echo', text: 'y' });
  await new Promise(setImmediate);
  assert.deepEqual(journal.entries, ['a starts']);
  gate.open();
  assert.equal(await echoed, 'y');
  assert.equal(probes.child('a'), one);
  assert.deepEqual(journal.entries, ['a starts', 'a ends: normal', 'a starts']);
});

test('a child that does not end its idle stop in time is killed and does not block its key', async () => {
  const { probes, clock, journal } = newProbes({ idleMs: 1000, shutdownMs: 300 }, () => ({
    end: () => (journal.count('a starts') === 1 ? newGate().opened : Promise.resolve()),
  }));
  const former = probes.child('a');
  await former.started();
  clock.advance(1000);
  const echoed = probes.child('a').call({ type: 'echo', text: 'y' });
  clock.advance(300);
  assert.equal(await echoed, 'y');
  assert.deepEqual(await former.exited(), { kind: 'killed' });
});

test('a pool rests only when all of its members do', async () => {
  const clock = new ManualClock();
  const journal = new Journal();
  const pools = newSystem({ clock }).spawn(
    dynamicSupervisor({
      idleMs: 1000,
      child: (key) =>
        supervisor({
          kind: 'pool',
          strategy: 'one-for-one',
          children: {
            writer: { spec: worker(probe, { name: `${key} writer`, journal }) },
            reader: { spec: worker(probe, { name: `${key} reader`, journal }), instances: 2 },
          },
        }),
    }),
  );
  const pool = pools.child('a');
  await pool.started();
  const gate = newGate();
  const waited = pool.child('reader').call({ type: 'wait', gate: gate.opened }, { timeoutMs: 100_000 });
  await journal.reached('a reader waits');
  clock.advance(3000);
  assert.equal(pool.accepting, true);
  gate.open();
  await waited;
  clock.advance(999);
  await pool.child('writer').call({ type: 'echo', text: 'x' });
  clock.advance(999);
  assert.equal(pool.accepting, true);
  clock.advance(1);
  assert.equal(pool.accepting, false);
  // Asked for while it stops: a new one, whose members begin when the former ones have ended.
  assert.equal(await pools.child('a').child('writer').call({ type: 'echo', text: 'y' }), 'y');
  const restartedAt = journal.entries.lastIndexOf('a writer starts');
  assert.ok(journal.entries.indexOf('a writer ends: shutdown') < restartedAt);
  assert.equal(journal.entries.slice(0, restartedAt).filter((entry) => entry.includes('ends')).length, 3);
});

test('a pool that was restarted in part still rests and stops', async () => {
  const clock = new ManualClock();
  const journal = new Journal();
  const pools = newSystem({ clock }).spawn(
    dynamicSupervisor({
      idleMs: 1000,
      child: (key) =>
        supervisor({
          strategy: 'one-for-one',
          children: {
            a: { spec: worker(probe, { name: `${key} a`, journal }), restart: 'temporary' },
            b: { spec: worker(probe, { name: `${key} b`, journal }) },
          },
        }),
    }),
  );
  const pool = pools.child('k');
  await assert.rejects(pool.child('b').call({ type: 'crash' }));
  await journal.reached('k b starts', 2);
  const [temporary] = pool.instances('a');
  await assert.rejects(pool.child('a').call({ type: 'crash' }));
  await temporary?.exited();
  await pool.child('b').call({ type: 'echo', text: 'x' });
  clock.advance(1000);
  assert.deepEqual(await pool.exited(), { kind: 'normal' });
});

test('an actor that outlives its own children rests from the end of the last one', async () => {
  const clock = new ManualClock();
  const journal = new Journal();
  const parent: Behaviour<undefined, object, Asks<{ readonly type: 'spawn' }, ActorRef<ProbeMessage>>> = {
    kind: 'parent',
    init: () => ({}),
    handle: { spawn: (_, __, self) => self.spawn(worker(probe, { name: 'a', journal })) },
  };
  const parents = newSystem({ clock }).spawn(
    dynamicSupervisor({ idleMs: 1000, child: () => worker(parent, undefined) }),
  );
  const ref = parents.child('k');
  const child = await ref.call({ type: 'spawn' });
  const gate = newGate();
  child.cast({ type: 'wait', gate: gate.opened });
  await journal.reached('a waits');
  const stopped = child.stop();
  clock.advance(1000);
  assert.equal(ref.accepting, true);
  gate.open();
  await stopped;
  clock.advance(1000);
  assert.deepEqual(await ref.exited(), { kind: 'normal' });
});

test('a crash reaches neither the supervisor nor the children of other keys', async () => {
  const { probes, journal } = newProbes();
  const other = probes.child('b');
  for (let times = 1; times <= 20; times += 1) {
    await assert.rejects(probes.child('a').call({ type: 'crash' }), (error) => hasCode(error, 'data_loss'));
    await journal.reached('a ends: crash', times);
  }
  assert.equal(await other.call({ type: 'echo', text: 'x' }), 'x');
  assert.equal(probes.child('b'), other);
});

test('a temporary child that crashed is started by the next who asks for it', async () => {
  const { probes, journal } = newProbes();
  const former = probes.child('a');
  await assert.rejects(former.call({ type: 'crash' }));
  assert.equal(await probes.child('a').call({ type: 'echo', text: 'x' }), 'x');
  assert.deepEqual(journal.entries, ['a starts', 'a ends: crash', 'a starts']);
});

test('a transient child that crashed is started again at once, until it has used up its own limit', async () => {
  const { probes, journal } = newProbes({
    restart: 'transient',
    limit: { maxRestarts: 2, windowMs: 1000 },
  });
  for (const starts of [2, 3]) {
    await assert.rejects(probes.child('a').call({ type: 'crash' }));
    await journal.reached('a starts', starts);
  }
  const last = probes.child('a');
  await assert.rejects(last.call({ type: 'crash' }));
  await last.exited();
  // The supervisor sees to exits in order: when `b` is back, it has seen that of `a`.
  await assert.rejects(probes.child('b').call({ type: 'crash' }));
  await journal.reached('b starts', 2);
  assert.equal(journal.count('a starts'), 3);
  assert.equal(await probes.child('a').call({ type: 'echo', text: 'x' }), 'x');
  // Whoever asks for it gives it a fresh start.
  await assert.rejects(probes.child('a').call({ type: 'crash' }));
  await journal.reached('a starts', 5);
});

test('a start that fails is told to those who wait for it, and the next call tries again', async () => {
  let disk: 'broken' | 'fine' = 'broken';
  const { probes } = newProbes({}, () => ({
    start: () =>
      disk === 'fine' ? Promise.resolve() : Promise.reject(new PackhorseError('data_loss', 'Broken.')),
  }));
  const child = probes.child('a');
  await assert.rejects(child.call({ type: 'echo', text: 'x' }), (error) => hasCode(error, 'unavailable'));
  await assert.rejects(child.started(), (error) => hasCode(error, 'data_loss', 'unavailable'));
  disk = 'fine';
  assert.equal(await probes.child('a').call({ type: 'echo', text: 'x' }), 'x');
});

test('more children than allowed are refused, until one has ended', async () => {
  const { probes, journal } = newProbes({ maxChildren: 2 });
  const first = probes.child('a');
  await probes.child('b').started();
  assert.throws(
    () => probes.child('c'),
    (error) => hasCode(error, 'unavailable'),
  );
  assert.equal(probes.child('a'), first);
  await first.stop();
  // The supervisor has seen the exit once it let go of the key.
  while ([...probes.keys].includes('a')) await new Promise(setImmediate);
  await probes.child('c').started();
  assert.equal(journal.count('c starts'), 1);
});

test('a supervisor that stops refuses to start children, and stops all of them together', async () => {
  const gate = newGate();
  const { probes, journal } = newProbes({}, () => ({ end: () => gate.opened }));
  await Promise.all(['a', 'b'].map((key) => probes.child(key).started()));
  const children = ['a', 'b'].map((key) => probes.child(key));
  const stopped = probes.stop();
  assert.throws(
    () => probes.child('c'),
    (error) => hasCode(error, 'unavailable'),
  );
  while (children.some((child) => child.accepting)) await new Promise(setImmediate);
  gate.open();
  await stopped;
  assert.deepEqual(journal.entries.slice(2).sort(), ['a ends: shutdown', 'b ends: shutdown']);
});
