import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type Log, ManualClock, PackhorseError, silentLog } from '#base';
import { Journal, newGate, newSystem, probe, type ProbeArgs, type ProbeMessage } from './fixture.ts';
import { type ActorRef, type Asks, type Behaviour, refuseExpected, worker } from './index.ts';

function spawnProbe(
  options: Parameters<typeof newSystem>[0] = {},
  args: Partial<ProbeArgs> = {},
): { readonly ref: ActorRef<ProbeMessage>; readonly journal: Journal } {
  const journal = new Journal();
  return { ref: newSystem(options).spawn(worker(probe, { name: 'a', journal, ...args })), journal };
}

test('a call is answered with what the handler returns, in the type that the message asks for', async () => {
  const { ref } = spawnProbe();
  const text: string = await ref.call({ type: 'echo', text: 'hello' });
  assert.equal(text, 'hello');
  // @ts-expect-error a message without `Asks` is answered with nothing
  const nothing: string = await ref.call({ type: 'note', text: 'x' });
  assert.equal(nothing, undefined);
});

test('messages that arrive before the start is through are handled after it', async () => {
  const gate = newGate();
  const { ref, journal } = spawnProbe({}, { start: () => gate.opened });
  assert.equal(ref.cast({ type: 'note', text: 'early' }), true);
  const echoed = ref.call({ type: 'echo', text: 'hello' });
  gate.open();
  assert.equal(await echoed, 'hello');
  assert.deepEqual(journal.entries, ['a starts', 'a: early']);
});

test('a handler finishes before the next message is handled', async () => {
  const { ref, journal } = spawnProbe();
  const gate = newGate();
  const waited = ref.call({ type: 'wait', gate: gate.opened });
  const noted = ref.call({ type: 'note', text: 'next' });
  await journal.reached('a waits');
  assert.equal(ref.load, 2);
  gate.open();
  await Promise.all([waited, noted]);
  assert.deepEqual(journal.entries, ['a starts', 'a waits', 'a is through', 'a: next']);
  assert.equal(ref.load, 0);
});

test('a full mailbox refuses calls with `unavailable` and casts with false, and takes messages again later', async () => {
  const { ref, journal } = spawnProbe({ settings: { mailboxMessages: 2 } });
  const gate = newGate();
  const waited = ref.call({ type: 'wait', gate: gate.opened });
  await journal.reached('a waits');
  assert.equal(ref.cast({ type: 'note', text: '1' }), true);
  assert.equal(ref.cast({ type: 'note', text: '2' }), true);
  assert.equal(ref.cast({ type: 'note', text: '3' }), false);
  await assert.rejects(ref.call({ type: 'echo', text: 'x' }), (error) => hasCode(error, 'unavailable'));
  gate.open();
  await waited;
  await journal.reached('a: 2');
  assert.equal(await ref.call({ type: 'echo', text: 'x' }), 'x');
  assert.equal(journal.entries.includes('a: 3'), false);
});

test('a behaviour can have its own mailbox limit', async () => {
  const journal = new Journal();
  const gate = newGate();
  const ref = newSystem().spawn(worker({ ...probe, mailboxMessages: 1 }, { name: 'a', journal }));
  ref.cast({ type: 'wait', gate: gate.opened });
  await journal.reached('a waits');
  assert.equal(ref.cast({ type: 'note', text: '1' }), true);
  assert.equal(ref.cast({ type: 'note', text: '2' }), false);
  gate.open();
});

test('a call that is not answered in time fails with `deadline_exceeded`', async () => {
  const clock = new ManualClock();
  const { ref, journal } = spawnProbe({ clock });
  const gate = newGate();
  const waited = ref.call({ type: 'wait', gate: gate.opened }, { timeoutMs: 100 });
  await journal.reached('a waits');
  clock.advance(100);
  await assert.rejects(waited, (error) => hasCode(error, 'deadline_exceeded'));
  gate.open();
  // The late answer goes nowhere and the actor is fine.
  assert.equal(await ref.call({ type: 'echo', text: 'x' }), 'x');
});

test('a call that expired while it waited is not handled at all', async () => {
  const clock = new ManualClock();
  const { ref, journal } = spawnProbe({ clock });
  const gate = newGate();
  const waited = ref.call({ type: 'wait', gate: gate.opened });
  const noted = ref.call({ type: 'note', text: 'expired' }, { timeoutMs: 50 });
  clock.advance(50);
  await assert.rejects(noted, (error) => hasCode(error, 'deadline_exceeded'));
  gate.open();
  await waited;
  await ref.call({ type: 'note', text: 'after' });
  assert.deepEqual(journal.entries, ['a starts', 'a waits', 'a is through', 'a: after']);
});

test('calls without a deadline of their own have that of the settings', async () => {
  const clock = new ManualClock();
  const { ref, journal } = spawnProbe({ clock, settings: { callTimeoutMs: 70 } });
  const gate = newGate();
  let failure: unknown;
  const waited = ref.call({ type: 'wait', gate: gate.opened }).catch((error: unknown) => {
    failure = error;
  });
  await journal.reached('a waits');
  clock.advance(69);
  await Promise.resolve();
  assert.equal(failure, undefined);
  clock.advance(1);
  await waited;
  assert.ok(hasCode(failure, 'deadline_exceeded'));
  gate.open();
});

test('a handler that throws crashes the actor: its caller gets the error, those who wait `unavailable`', async () => {
  const { ref, journal } = spawnProbe();
  const crashed = ref.call({ type: 'crash' });
  const waiting = ref.call({ type: 'echo', text: 'x' });
  await assert.rejects(crashed, (error) => hasCode(error, 'data_loss'));
  await assert.rejects(waiting, (error) => hasCode(error, 'unavailable'));
  const reason = await ref.exited();
  assert.equal(reason.kind, 'crash');
  assert.deepEqual(journal.entries, ['a starts', 'a ends: crash']);
});

test('an error of another kind reaches the caller as `internal`, with its cause', async () => {
  const cause = new TypeError('undefined is not a function');
  const broken: Behaviour<undefined, object, { readonly type: 'go' }> = {
    kind: 'broken',
    init: () => ({}),
    handle: { go: () => Promise.reject(cause) },
  };
  const ref = newSystem().spawn(worker(broken, undefined));
  await assert.rejects(ref.call({ type: 'go' }), (error) => {
    assert.ok(hasCode(error, 'internal'));
    return error.cause === cause;
  });
});

test('a crash is logged with its error and the path of the actor', async () => {
  const logged: (Readonly<Record<string, unknown>> | undefined)[] = [];
  const log: Log = { ...silentLog, error: (_, fields) => void logged.push(fields) };
  const { ref } = spawnProbe({ log });
  ref.cast({ type: 'crash' });
  await ref.exited();
  assert.equal(logged.length, 1);
  assert.equal(logged[0]?.['actor'], 'probe');
  assert.ok(hasCode(logged[0]?.['error'], 'data_loss'));
});

test('a refusal reaches the caller as an error and leaves the actor alive', async () => {
  const { ref } = spawnProbe();
  await assert.rejects(ref.call({ type: 'refuse' }), (error) => hasCode(error, 'not_found'));
  assert.equal(ref.cast({ type: 'refuse' }), true);
  assert.equal(await ref.call({ type: 'echo', text: 'x' }), 'x');
});

test('`refuseExpected` refuses expected failures and lets defects crash', async () => {
  type Message = Asks<{ readonly type: 'work'; readonly error: Error }, string>;
  const working: Behaviour<undefined, object, Message> = {
    kind: 'working',
    init: () => ({}),
    handle: { work: (_, { error }) => refuseExpected(() => Promise.reject(error)) },
  };
  const ref = newSystem().spawn(worker(working, undefined));
  const expected = new PackhorseError('not_found', 'No such file.');
  await assert.rejects(ref.call({ type: 'work', error: expected }), expected);
  assert.equal(ref.accepting, true);
  await assert.rejects(ref.call({ type: 'work', error: new RangeError('bug') }), (error) =>
    hasCode(error, 'internal'),
  );
  assert.equal(ref.accepting, false);
});

test('a stopped actor finishes the message it is at and refuses the others', async () => {
  const { ref, journal } = spawnProbe();
  const gate = newGate();
  const waited = ref.call({ type: 'wait', gate: gate.opened });
  const waiting = ref.call({ type: 'note', text: 'never' });
  await journal.reached('a waits');
  const stopped = ref.stop();
  assert.equal(ref.accepting, false);
  await assert.rejects(ref.call({ type: 'echo', text: 'x' }), (error) => hasCode(error, 'unavailable'));
  assert.equal(ref.cast({ type: 'note', text: 'never' }), false);
  gate.open();
  await waited;
  await assert.rejects(waiting, (error) => hasCode(error, 'unavailable'));
  assert.deepEqual(await stopped, { kind: 'normal' });
  assert.deepEqual(journal.entries, ['a starts', 'a waits', 'a is through', 'a ends: normal']);
});

test('a drained actor handles what waits before it ends, even when it has not begun yet', async () => {
  const { ref, journal } = spawnProbe();
  ref.cast({ type: 'note', text: '1' });
  const echoed = ref.call({ type: 'echo', text: 'x' });
  const stopped = ref.stop({ drain: true, reason: 'shutdown' });
  assert.equal(ref.cast({ type: 'note', text: '2' }), false);
  assert.equal(await echoed, 'x');
  assert.deepEqual(await stopped, { kind: 'shutdown' });
  assert.deepEqual(journal.entries, ['a starts', 'a: 1', 'a ends: shutdown']);
});

test('stopping without draining overrides a drain that is under way', async () => {
  const { ref, journal } = spawnProbe();
  const gate = newGate();
  ref.cast({ type: 'wait', gate: gate.opened });
  const waiting = ref.call({ type: 'note', text: 'never' });
  await journal.reached('a waits');
  const drained = ref.stop({ drain: true });
  const stopped = ref.stop();
  gate.open();
  await assert.rejects(waiting, (error) => hasCode(error, 'unavailable'));
  await Promise.all([drained, stopped]);
  assert.equal(journal.entries.includes('a: never'), false);
});

test('an actor that is stopped before it has begun never begins', async () => {
  const { ref, journal } = spawnProbe();
  assert.deepEqual(await ref.stop(), { kind: 'normal' });
  assert.deepEqual(journal.entries, []);
});

test('a stop that takes too long becomes a kill', async () => {
  const clock = new ManualClock();
  const { ref, journal } = spawnProbe({ clock });
  const gate = newGate();
  const waited = ref.call({ type: 'wait', gate: gate.opened });
  await journal.reached('a waits');
  const stopped = ref.stop({ timeoutMs: 1000 });
  clock.advance(1000);
  assert.deepEqual(await stopped, { kind: 'killed' });
  await assert.rejects(waited, (error) => hasCode(error, 'unavailable'));
  gate.open();
  await journal.reached('a is through');
  assert.equal(journal.entries.includes('a ends: killed'), false);
});

test('the signal of an actor is aborted when it stops, but not while it drains', async () => {
  const signals: AbortSignal[] = [];
  type Message = { readonly type: 'wait'; readonly gate: Promise<void> };
  const listening: Behaviour<undefined, object, Message> = {
    kind: 'listening',
    init: () => ({}),
    handle: {
      async wait(_, { gate }, self) {
        signals.push(self.signal);
        await gate;
      },
    },
  };
  const system = newSystem();
  const gate = newGate();
  const refs = [
    system.spawn(worker(listening, undefined)),
    system.spawn(worker(listening, undefined)),
  ] as const;
  const calls = refs.map((ref) => ref.call({ type: 'wait', gate: gate.opened }));
  await Promise.all(refs.map((ref) => ref.started()));
  const ended = [refs[0].stop(), refs[1].stop({ drain: true })];
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [true, false],
  );
  gate.open();
  await Promise.all([...calls, ...ended]);
  assert.equal(signals[1]?.aborted, true);
});

test('an actor can end itself after the message that it handles', async () => {
  const { ref, journal } = spawnProbe();
  await ref.call({ type: 'exit' });
  assert.equal(ref.accepting, false);
  assert.deepEqual(await ref.exited(), { kind: 'normal' });
  assert.deepEqual(journal.entries, ['a starts', 'a ends: normal']);
});

test('calling an actor that has ended is answered `unavailable`', async () => {
  const { ref } = spawnProbe();
  await ref.stop();
  await assert.rejects(ref.call({ type: 'echo', text: 'x' }), (error) => hasCode(error, 'unavailable'));
  assert.equal(ref.cast({ type: 'note', text: 'x' }), false);
  assert.deepEqual(await ref.exited(), { kind: 'normal' });
  await assert.rejects(ref.started(), (error) => hasCode(error, 'unavailable'));
});

test('a start that fails is a crash: `started` throws its error and nothing is terminated', async () => {
  const error = new PackhorseError('not_found', 'No such repository.');
  const { ref, journal } = spawnProbe({}, { start: () => Promise.reject(error) });
  const waiting = ref.call({ type: 'echo', text: 'x' });
  await assert.rejects(ref.started(), error);
  await assert.rejects(waiting, (thrown) => hasCode(thrown, 'unavailable'));
  assert.deepEqual(await ref.exited(), { kind: 'crash', error });
  assert.deepEqual(journal.entries, []);
});

test('a start that takes too long is a crash, and what it opens late is let go of', async () => {
  const clock = new ManualClock();
  const gate = newGate();
  const { ref, journal } = spawnProbe(
    { clock, settings: { startTimeoutMs: 500 } },
    { start: () => gate.opened },
  );
  const started = ref.started();
  // Lets the start begin, so that its time runs.
  await new Promise(setImmediate);
  clock.advance(500);
  await assert.rejects(started, (error) => hasCode(error, 'deadline_exceeded'));
  gate.open();
  await journal.reached('a ends: crash');
  assert.deepEqual(journal.entries, ['a starts', 'a ends: crash']);
});

test('a start that was in time is not held against the actor later', async () => {
  const clock = new ManualClock();
  const { ref } = spawnProbe({ clock, settings: { startTimeoutMs: 500 } });
  await ref.started();
  clock.advance(500);
  assert.equal(ref.accepting, true);
});

test('a terminate that fails is logged and the actor ends all the same', async () => {
  const logged: string[] = [];
  const log: Log = { ...silentLog, error: (message) => void logged.push(message) };
  const { ref } = spawnProbe({ log }, { end: () => Promise.reject(new Error('disk gone')) });
  await ref.started();
  assert.deepEqual(await ref.stop(), { kind: 'normal' });
  assert.deepEqual(logged, ['An actor failed to terminate.']);
});

test('a killed actor answers nobody and is not terminated; what its handler does later is ignored', async () => {
  const { ref, journal } = spawnProbe();
  const gate = newGate();
  const waited = ref.call({ type: 'wait', gate: gate.opened });
  const waiting = ref.call({ type: 'note', text: 'never' });
  await journal.reached('a waits');
  ref.kill();
  await assert.rejects(waited, (error) => hasCode(error, 'unavailable'));
  await assert.rejects(waiting, (error) => hasCode(error, 'unavailable'));
  assert.deepEqual(await ref.exited(), { kind: 'killed' });
  gate.open();
  await journal.reached('a is through');
  assert.deepEqual(journal.entries, ['a starts', 'a waits', 'a is through']);
});
