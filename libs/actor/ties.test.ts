import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base';
import { Journal, newGate, newSystem, probe, type ProbeMessage } from './fixture.ts';
import {
  type ActorRef,
  type Asks,
  type Behaviour,
  type Handlers,
  type Monitor,
  type Running,
  worker,
} from './index.ts';

type TieMessage =
  | { readonly type: 'link'; readonly other: Running }
  | { readonly type: 'unlink'; readonly other: Running }
  | Asks<{ readonly type: 'monitor'; readonly other: Running }, Monitor>
  | { readonly type: 'demonitor'; readonly monitor: Monitor }
  | { readonly type: 'wait'; readonly gate: Promise<void> }
  | Asks<{ readonly type: 'spawn'; readonly name: string }, ActorRef<ProbeMessage>>
  | { readonly type: 'crash' };

type State = { readonly journal: Journal };

const handle: Handlers<State, TieMessage> = {
  link: (_, { other }, self) => self.link(other),
  unlink: (_, { other }, self) => self.unlink(other),
  monitor: (_, { other }, self) => self.monitor(other),
  demonitor: (_, { monitor }, self) => self.demonitor(monitor),
  wait: (_, { gate }) => gate,
  spawn: ({ journal }, { name }, self) => self.spawn(worker(probe, { name, journal })),
  crash() {
    throw new Error('broken');
  },
};

const plain: Behaviour<Journal, State, TieMessage> = {
  kind: 'plain',
  init: (journal) => ({ journal }),
  handle,
  down: ({ journal }, { from, reason }) => journal.note(`down ${from.kind}: ${reason.kind}`),
  terminate: ({ journal }, reason) => journal.note(`plain ends: ${reason.kind}`),
};

const trapping: Behaviour<Journal, State, TieMessage> = {
  ...plain,
  kind: 'trapping',
  exited: ({ journal }, { from, reason }) => journal.note(`exit ${from.kind}: ${reason.kind}`),
};

function spawnPair(behaviour: Behaviour<Journal, State, TieMessage>): {
  readonly watcher: ActorRef<TieMessage>;
  readonly other: ActorRef<ProbeMessage>;
  readonly journal: Journal;
} {
  const journal = new Journal();
  const system = newSystem();
  const other = system.spawn(worker(probe, { name: 'a', journal: new Journal() }));
  return { watcher: system.spawn(worker(behaviour, journal)), other, journal };
}

test('a crash ends linked actors with the same error, in both directions', async () => {
  const { watcher, other } = spawnPair(plain);
  await watcher.call({ type: 'link', other });
  await assert.rejects(other.call({ type: 'crash' }));
  const reason = await watcher.exited();
  assert.ok(reason.kind === 'crash' && hasCode(reason.error, 'data_loss'));

  const second = spawnPair(plain);
  await second.watcher.call({ type: 'link', other: second.other });
  await assert.rejects(second.watcher.call({ type: 'crash' }));
  assert.equal((await second.other.exited()).kind, 'crash');
});

test('a normal exit and a shutdown do not spread over links', async () => {
  for (const reason of ['normal', 'shutdown'] as const) {
    const { watcher, other } = spawnPair(plain);
    await watcher.call({ type: 'link', other });
    await other.stop({ reason });
    await watcher.call({ type: 'unlink', other });
    assert.equal(watcher.accepting, true);
  }
});

test('a killed actor ends what is linked with it', async () => {
  const { watcher, other } = spawnPair(plain);
  await watcher.call({ type: 'link', other });
  other.kill();
  assert.deepEqual(await watcher.exited(), { kind: 'killed' });
});

test('a linked actor finishes the message it is at before it follows a crash', async () => {
  const { watcher, other, journal } = spawnPair(plain);
  const gate = newGate();
  await watcher.call({ type: 'link', other });
  const waited = watcher.call({ type: 'wait', gate: gate.opened });
  await assert.rejects(other.call({ type: 'crash' }));
  await other.exited();
  assert.equal(watcher.accepting, false);
  assert.deepEqual(journal.entries, []);
  gate.open();
  await waited;
  assert.equal((await watcher.exited()).kind, 'crash');
});

test('an unlinked actor does not follow', async () => {
  const { watcher, other } = spawnPair(plain);
  await watcher.call({ type: 'link', other });
  await watcher.call({ type: 'unlink', other });
  await assert.rejects(other.call({ type: 'crash' }));
  await other.exited();
  await watcher.call({ type: 'unlink', other });
  assert.equal(watcher.accepting, true);
});

test('an actor that traps exits hears of every exit and lives on', async () => {
  for (const [end, expected] of [
    [(other: ActorRef<ProbeMessage>) => other.call({ type: 'crash' }).catch(() => undefined), 'crash'],
    [(other: ActorRef<ProbeMessage>) => other.stop(), 'normal'],
    [(other: ActorRef<ProbeMessage>) => other.stop({ reason: 'shutdown' }), 'shutdown'],
    [(other: ActorRef<ProbeMessage>) => Promise.resolve(other.kill()), 'killed'],
  ] as const) {
    const { watcher, other, journal } = spawnPair(trapping);
    await watcher.call({ type: 'link', other });
    await end(other);
    await journal.reached(`exit probe: ${expected}`);
    assert.equal(watcher.accepting, true);
  }
});

test('linking with an actor that has crashed is like being linked when it crashed', async () => {
  const { watcher, other } = spawnPair(plain);
  await assert.rejects(other.call({ type: 'crash' }));
  await other.exited();
  watcher.cast({ type: 'link', other });
  assert.equal((await watcher.exited()).kind, 'crash');
});

test('trapped exits are not held to the mailbox limit', async () => {
  const journal = new Journal();
  const system = newSystem();
  const watcher = system.spawn(worker({ ...trapping, mailboxMessages: 1 }, journal));
  const others = [1, 2, 3].map(() => system.spawn(worker(probe, { name: 'a', journal: new Journal() })));
  for (const other of others) await watcher.call({ type: 'link', other });
  const gate = newGate();
  const waited = watcher.call({ type: 'wait', gate: gate.opened });
  await Promise.all(others.map((other) => other.stop()));
  gate.open();
  await waited;
  await journal.reached('exit probe: normal', 3);
});

test('a monitor tells once why the other ended, and the watcher lives on', async () => {
  const { watcher, other, journal } = spawnPair(plain);
  await watcher.call({ type: 'monitor', other });
  await assert.rejects(other.call({ type: 'crash' }));
  await journal.reached('down probe: crash');
  await watcher.call({ type: 'unlink', other });
  assert.deepEqual(journal.entries, ['down probe: crash']);
  assert.equal(watcher.accepting, true);
});

test('two monitors on one actor are two messages', async () => {
  const { watcher, other, journal } = spawnPair(plain);
  await watcher.call({ type: 'monitor', other });
  await watcher.call({ type: 'monitor', other });
  await other.stop();
  await journal.reached('down probe: normal', 2);
});

test('monitoring an actor that has ended tells at once', async () => {
  const { watcher, other, journal } = spawnPair(plain);
  other.kill();
  await watcher.call({ type: 'monitor', other });
  await journal.reached('down probe: killed');
});

test('a withdrawn monitor tells nothing, not even what already waits', async () => {
  const { watcher, other, journal } = spawnPair(plain);
  const monitor = await watcher.call({ type: 'monitor', other });
  const gate = newGate();
  const waited = watcher.call({ type: 'wait', gate: gate.opened });
  const withdrawn = watcher.call({ type: 'demonitor', monitor });
  await other.stop();
  gate.open();
  await Promise.all([waited, withdrawn]);
  await watcher.call({ type: 'unlink', other });
  assert.deepEqual(journal.entries, []);
});

test('the end of a watcher withdraws its monitors', async () => {
  const { watcher, other, journal } = spawnPair(plain);
  await watcher.call({ type: 'monitor', other });
  await watcher.stop();
  await other.stop();
  assert.deepEqual(journal.entries, ['plain ends: normal']);
});

test('an actor ends after its children, the last started first', async () => {
  const { watcher, journal } = spawnPair(plain);
  for (const name of ['a', 'b']) await (await watcher.call({ type: 'spawn', name })).started();
  await watcher.stop();
  assert.deepEqual(journal.entries, [
    'a starts',
    'b starts',
    'b ends: shutdown',
    'a ends: shutdown',
    'plain ends: normal',
  ]);
});

test("a child's crash reaches its parent as from a link, and through it the other children", async () => {
  const { watcher, journal } = spawnPair(plain);
  const child = await watcher.call({ type: 'spawn', name: 'a' });
  const sibling = await watcher.call({ type: 'spawn', name: 'b' });
  await assert.rejects(child.call({ type: 'crash' }));
  assert.equal((await watcher.exited()).kind, 'crash');
  assert.deepEqual(await sibling.exited(), { kind: 'shutdown' });
  assert.deepEqual(journal.entries.slice(-2), ['b ends: shutdown', 'plain ends: crash']);
});

test('killing an actor kills its children', async () => {
  const { watcher } = spawnPair(plain);
  const child = await watcher.call({ type: 'spawn', name: 'a' });
  watcher.kill();
  assert.deepEqual(await child.exited(), { kind: 'killed' });
});
