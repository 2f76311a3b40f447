import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, ManualClock } from '#base';
import { Journal, newGate, newSystem, probe, type ProbeMessage } from './fixture.ts';
import { type ActorRef, actorName, dynamicSupervisor, named, supervisor, worker } from './index.ts';

const probeName = actorName<ActorRef<ProbeMessage>>('the-probe');

test('an actor is found under its name while it runs', async () => {
  const system = newSystem();
  assert.equal(system.lookup(probeName), undefined);
  const ref = system.spawn(named(probeName, worker(probe, { name: 'a', journal: new Journal() })));
  assert.equal(system.lookup(probeName), ref);
  assert.equal(await system.lookup(probeName)?.call({ type: 'echo', text: 'x' }), 'x');
  await ref.stop();
  assert.equal(system.lookup(probeName), undefined);
});

test('a name that is taken is refused, and the actor that has it keeps it', async () => {
  const system = newSystem();
  const journal = new Journal();
  const ref = system.spawn(named(probeName, worker(probe, { name: 'a', journal })));
  assert.throws(
    () => system.spawn(named(probeName, worker(probe, { name: 'b', journal }))),
    (error) => hasCode(error, 'already_exists'),
  );
  assert.equal(system.lookup(probeName), ref);
  await ref.call({ type: 'echo', text: 'x' });
  assert.deepEqual(journal.entries, ['a starts']);
});

test('a supervised actor has its name again after a restart', async () => {
  const system = newSystem();
  const journal = new Journal();
  system.spawn(
    supervisor({
      strategy: 'one-for-one',
      children: { only: { spec: named(probeName, worker(probe, { name: 'a', journal })) } },
    }),
  );
  await journal.reached('a starts');
  const former = system.lookup(probeName);
  await assert.rejects(async () => former?.call({ type: 'crash' }));
  await journal.reached('a starts', 2);
  assert.ok(former !== undefined && system.lookup(probeName) !== former);
  assert.equal(await system.lookup(probeName)?.call({ type: 'echo', text: 'x' }), 'x');
});

test('the observer shows every live actor with its place, its mailbox and its past', async () => {
  const clock = new ManualClock(5000);
  const system = newSystem({ clock });
  const journal = new Journal();
  const pools = system.spawn(
    named(
      actorName('repositories'),
      dynamicSupervisor({
        child: () =>
          supervisor({
            kind: 'pool',
            strategy: 'one-for-one',
            children: {
              writer: { spec: worker(probe, { name: 'w', journal }) },
              reader: { spec: worker(probe, { name: 'r', journal }), instances: 2 },
            },
          }),
      }),
    ),
  );
  const pool = pools.child('k1');
  await pool.started();
  clock.advance(1000);
  await assert.rejects(pool.child('writer').call({ type: 'crash' }));
  await journal.reached('w starts', 2);
  const gate = newGate();
  const reader = pool.child('reader');
  await reader.call({ type: 'echo', text: 'x' });
  const [first] = pool.instances('reader');
  assert.ok(first !== undefined);
  const busy = [1, 2, 3].map(() => first.call({ type: 'wait', gate: gate.opened }));
  await journal.reached('r waits');
  const seen = [...system.observe()];
  const shown = seen.map(({ path, kind, phase, mailboxDepth, busy, messagesHandled, restarts, startedMs }) =>
    [path, kind, phase, mailboxDepth, busy, messagesHandled, restarts, startedMs].join(' '),
  );
  assert.deepEqual(shown, [
    'repositories dynamic-supervisor live 0 false 0 0 5000',
    'repositories/k1 pool live 0 false 0 0 5000',
    'repositories/k1/reader-1 probe live 2 true 2 0 5000',
    'repositories/k1/reader-2 probe live 0 false 0 0 5000',
    'repositories/k1/writer probe live 0 false 0 1 6000',
  ]);
  assert.deepEqual(
    seen.map(({ parentId }) => seen.find(({ id }) => id === parentId)?.kind),
    [undefined, 'dynamic-supervisor', 'pool', 'pool', 'pool'],
  );
  assert.deepEqual(system.totals, { live: 5, started: 6, restarted: 1, crashed: 1, refused: 0 });
  gate.open();
  await Promise.all(busy);
});

test('messages refused by full mailboxes are counted', async () => {
  const system = newSystem({ settings: { mailboxMessages: 1 } });
  const ref = system.spawn(worker(probe, { name: 'a', journal: new Journal() }));
  assert.deepEqual(
    [1, 2, 3].map((text) => ref.cast({ type: 'note', text: String(text) })),
    [true, false, false],
  );
  assert.equal(system.totals.refused, 2);
});

test('draining handles what waits and ends what was started last first', async () => {
  const system = newSystem();
  const journal = new Journal();
  const first = system.spawn(worker(probe, { name: 'first', journal }));
  const group = system.spawn(
    supervisor({
      strategy: 'one-for-one',
      children: {
        a: { spec: worker(probe, { name: 'a', journal }) },
        b: { spec: worker(probe, { name: 'b', journal }) },
      },
    }),
  );
  await group.started();
  journal.take();
  const gate = newGate();
  const calls = [
    group.child('b').call({ type: 'wait', gate: gate.opened }),
    group.child('b').call({ type: 'note', text: 'last' }),
  ];
  await journal.reached('b waits');
  const drained = system.drain(10_000);
  assert.throws(
    () => system.spawn(worker(probe, { name: 'late', journal })),
    (error) => hasCode(error, 'unavailable'),
  );
  // What was started earlier still works for what is being drained.
  assert.equal(await first.call({ type: 'echo', text: 'x' }), 'x');
  gate.open();
  await Promise.all(calls);
  assert.deepEqual(await drained, { killed: 0 });
  assert.deepEqual(journal.take(), [
    'b waits',
    'b is through',
    'b: last',
    'b ends: shutdown',
    'a ends: shutdown',
    'first ends: shutdown',
  ]);
  assert.deepEqual([...system.observe()], []);
});

test('while draining no child is started on demand', async () => {
  const system = newSystem();
  const journal = new Journal();
  const child = (key: string) => worker(probe, { name: key, journal });
  const probes = system.spawn(dynamicSupervisor({ child }));
  const gate = newGate();
  const last = system.spawn(worker(probe, { name: 'last', journal }));
  last.cast({ type: 'wait', gate: gate.opened });
  await journal.reached('last waits');
  const drained = system.drain(10_000);
  assert.equal(probes.accepting, true);
  assert.throws(
    () => probes.child('a'),
    (error) => hasCode(error, 'unavailable'),
  );
  gate.open();
  assert.deepEqual(await drained, { killed: 0 });
});

test('what is not through when the time to drain is over is killed, down to the last child', async () => {
  const clock = new ManualClock();
  const system = newSystem({ clock });
  const journal = new Journal();
  const gate = newGate();
  const group = system.spawn(
    supervisor({
      strategy: 'one-for-one',
      children: {
        a: { spec: worker(probe, { name: 'a', journal }) },
        b: { spec: worker(probe, { name: 'b', journal }) },
      },
    }),
  );
  await group.started();
  const waited = group.child('a').call({ type: 'wait', gate: gate.opened }, { timeoutMs: 100_000 });
  await journal.reached('a waits');
  const [b] = group.instances('b');
  const drained = system.drain(2000);
  await b?.exited();
  clock.advance(2000);
  await assert.rejects(waited, (error) => hasCode(error, 'unavailable'));
  assert.deepEqual(await drained, { killed: 2 });
  assert.deepEqual([...system.observe()], []);
  assert.equal(system.totals.live, 0);
  gate.open();
});

test('draining an empty system is done at once, also a second time', async () => {
  const system = newSystem();
  assert.deepEqual(await system.drain(1000), { killed: 0 });
  assert.deepEqual(await system.drain(1000), { killed: 0 });
});
