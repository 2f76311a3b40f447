import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newSystem } from './fixture.ts';
import { type ActorRef, type Behaviour, worker } from './index.ts';

type PingMessage = { readonly type: 'ping'; readonly from: ActorRef<PingMessage> };

const pinging: Behaviour<{ stopped: boolean }, { stopped: boolean }, PingMessage> = {
  kind: 'pinging',
  init: (control) => control,
  handle: {
    ping(state, { from }, self) {
      if (!state.stopped) from.cast({ type: 'ping', from: self });
    },
  },
};

test('actors that keep each other busy for ever do not hold the event loop', async () => {
  const system = newSystem();
  const control = { stopped: false };
  const [one, other] = [system.spawn(worker(pinging, control)), system.spawn(worker(pinging, control))];
  one.cast({ type: 'ping', from: other });
  // Neither would ever come if the messages were handled in microtasks only.
  for (let turns = 0; turns < 10; turns += 1) await new Promise(setImmediate);
  await new Promise((resolve) => setTimeout(resolve, 0));
  control.stopped = true;
  const handled = [...system.observe()].reduce((sum, { messagesHandled }) => sum + messagesHandled, 0);
  assert.ok(handled > 100);
});

test('an actor with many messages does not hold up the others', async () => {
  const system = newSystem({ settings: { mailboxMessages: 10_000 } });
  const order: string[] = [];
  const noting: Behaviour<string, { readonly name: string }, { readonly type: 'note' }> = {
    kind: 'noting',
    init: (name) => ({ name }),
    handle: { note: ({ name }) => void order.push(name) },
  };
  const [flooded, other] = [system.spawn(worker(noting, 'flooded')), system.spawn(worker(noting, 'other'))];
  for (let sent = 0; sent < 5000; sent += 1) flooded.cast({ type: 'note' });
  await other.call({ type: 'note' });
  assert.ok(order.indexOf('other') < 10);
});
