import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, readSettings, silentLog, systemClock, systemRandom } from '#base';
import { type NatsServer, TestNats } from '#test/nats';
import { waitUntil } from '#test/wait';
import { ClusterNode } from './cluster-node.ts';
import type { MembershipEvent } from './membership.ts';
import { NatsLink } from './nats-link.ts';

// Generous, because the machine that runs tests is busy: what is waited for comes sooner.
const settings = { ...readSettings().membership, heartbeatMs: 250, leaseMs: 4_000, leaseMarginMs: 1_000 };

interface Joined extends AsyncDisposable {
  readonly link: NatsLink;
  readonly node: ClusterNode;
  readonly events: MembershipEvent[];
}

async function join(url: string, name: string, volumeIds: readonly string[]): Promise<Joined> {
  const common = { clock: systemClock, settings, log: silentLog };
  await using opening = new AsyncDisposableStack();
  const link = opening.use(await NatsLink.open({ ...common, url, nodeName: name }));
  const volumes = volumeIds.map((id) => ({ id, sizeBytes: 10, freeBytes: 5 }));
  const node = await ClusterNode.join({
    ...common,
    store: link.leases,
    random: systemRandom,
    state: { name, region: 'fra', address: `127.0.0.1:${name.length}`, version: '1', volumes },
  });
  opening.defer(() => node.close());
  const events: MembershipEvent[] = [];
  node.watch((event) => events.push(event));
  const open = opening.move();
  return { link, node, events, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

function kinds(events: readonly MembershipEvent[]): string[] {
  return events.map((event) =>
    event.kind === 'volumeMoved' ? `moved ${event.volume.volumeId}` : `${event.kind} ${event.node.name}`,
  );
}

/** Waits until all see all others alive and have their own volumes. */
async function allWell(nodes: readonly Joined[]): Promise<void> {
  await waitUntil('all nodes see each other and hold their volumes', () =>
    nodes.every(
      ({ node }) =>
        node.isLeaseHeld() &&
        node.self.volumes.every(({ id }) => node.holdsVolume(id)) &&
        nodes.every((other) => node.node(other.node.self.name)?.isAlive === true) &&
        nodes.every((other) =>
          other.node.self.volumes.every(({ id }) => node.volume(id)?.node === other.node.self.name),
        ),
    ),
  );
}

test('nodes on one NATS server join, see each other, refuse a copied volume, drain and leave', async () => {
  await using nats = await TestNats.start();
  await using one = await join(nats.url, 'one', ['a']);
  const two = await join(nats.url, 'two', ['b']);
  await allWell([one, two]);
  await assert.rejects(
    join(nats.url, 'copy', ['b']),
    (error) => hasCode(error, 'failed_precondition') && /copy .* "two"/.test(error.message),
  );
  await two.node.drain();
  await waitUntil('the drain is known', () => one.node.node('two')?.isDraining === true);
  await two[Symbol.asyncDispose]();
  await waitUntil('the other is known to have left', () => one.node.node('two') === undefined);
  await using three = await join(nats.url, 'three', ['b']);
  await allWell([one, three]);
  assert.ok(kinds(one.events).includes('left two') && !kinds(one.events).includes('leaseLost two'));
});

async function restart(server: NatsServer, losesData: boolean): Promise<void> {
  await server.kill9();
  if (losesData) server.loseData();
  await server.start();
}

test('a NATS server that is killed and comes back, also without its data, costs nobody a lease or a volume', async () => {
  await using nats = await TestNats.start();
  await using one = await join(nats.url, 'one', ['a']);
  await using two = await join(nats.url, 'two', ['b']);
  await allWell([one, two]);
  for (const losesData of [false, true]) {
    await restart(nats.first, losesData);
    const later = `after-${String(losesData)}`;
    await using third = await join(nats.url, later, [later]);
    await allWell([one, two, third]);
  }
  nats.first.freeze();
  await waitUntil(
    'the leases run out while NATS is frozen',
    () => !one.node.isLeaseHeld() && !two.node.isLeaseHeld(),
  );
  assert.ok(!one.node.holdsVolume('a'));
  nats.first.thaw();
  await allWell([one, two]);
  for (const { events } of [one, two]) {
    assert.deepEqual(
      kinds(events).filter((kind) => kind.startsWith('leaseLost')),
      [],
    );
  }
});

test('in a cluster of three NATS servers each may be killed, and a node that falls silent loses its lease', async () => {
  await using nats = await TestNats.start(3);
  const [first, second, third] = nats.servers.map(({ url }) => url);
  await using one = await join(`${first},${nats.url}`, 'one', ['a']);
  await using two = await join(`${second},${nats.url}`, 'two', ['b']);
  const three = await join(`${third},${nats.url}`, 'three', ['c']);
  await allWell([one, two, three]);
  for (const server of nats.servers) {
    await restart(server, true);
    await allWell([one, two, three]);
  }
  assert.deepEqual(
    kinds(one.events).filter((kind) => kind.startsWith('leaseLost')),
    [],
  );
  // It goes without saying so.
  await three.link[Symbol.asyncDispose]();
  await waitUntil('its lease is taken', () => one.node.node('three')?.isAlive === false);
  await waitUntil('it knows', () => !three.node.isLeaseHeld());
  assert.equal(one.node.volume('c')?.isAlive, false);
  await three.node.close();
});

test('messages on the bus reach the other nodes, and who was cut off learns that some may be missing', async () => {
  await using nats = await TestNats.start();
  const common = { url: nats.url, clock: systemClock, settings, log: silentLog };
  await using one = await NatsLink.open({ ...common, nodeName: 'one' });
  await using two = await NatsLink.open({ ...common, nodeName: 'two' });
  const heard: string[] = [];
  let gaps = 0;
  const end = two.bus.subscribe('changed.thing', {
    message: (text) => void heard.push(text),
    missed: () => void (gaps += 1),
  });
  await waitUntil('a message arrives', () => {
    one.bus.publish('changed.thing', 'x');
    return heard.includes('x');
  });
  await restart(nats.first, false);
  await waitUntil('the gap is known', () => gaps === 1);
  end();
});

test('what is no NATS server, or none that answers, is said', async () => {
  const common = { clock: systemClock, settings: { ...settings, joinTimeoutMs: 300 }, log: silentLog };
  const opening = (url: string): Promise<NatsLink> => NatsLink.open({ ...common, nodeName: 'one', url });
  await assert.rejects(opening('nats://127.0.0.1:1'), (error) => hasCode(error, 'unavailable'));
  await assert.rejects(opening('http://x'), (error) => hasCode(error, 'invalid_argument'));
});
