import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, readSettings, silentLog } from '#base';
import { formedMs as formed, kinds, SimulatedCluster, view } from '#test/simulated-cluster';
import { seededRandom, SimulatedClock } from '#test/simulated-time';
import { ClusterNode } from './cluster-node.ts';

const settings = readSettings().membership;
const { leaseMs, heartbeatMs, leaseMarginMs } = settings;

test('nodes that join see each other and whose the volumes are', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a', 'b']);
  const two = scene.add('two', ['c']);
  await scene.run(formed, ['a', 'b', 'c']);
  assert.deepEqual(view(one.node), [
    [
      ['one', true, false],
      ['two', true, false],
    ],
    [
      ['a', 'one', 'one:7000', true],
      ['b', 'one', 'one:7000', true],
      ['c', 'two', 'two:7000', true],
    ],
  ]);
  assert.deepEqual(view(two.node), view(one.node));
  assert.ok(one.node.holdsVolume('a') && two.node.holdsVolume('c') && !one.node.holdsVolume('c'));
  assert.deepEqual(
    [one.node.volume('c')?.isLocal, two.node.volume('c')?.isLocal, two.node.volume('z')],
    [false, true, undefined],
  );
  const late = scene.add('late', ['d']);
  await scene.run(2 * heartbeatMs, ['d']);
  assert.ok(late.node.holdsVolume('d'), 'where a cluster is formed, nobody waits for the time of a lease');
  assert.ok(kinds(one.events).includes('joined late') && kinds(one.events).includes('moved d'));
});

test('a node that leaves is known to be gone at once, and its volume can come back elsewhere at once', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a']);
  const two = scene.add('two', ['b']);
  await scene.run(formed);
  const closing = two.node.close();
  assert.ok(!two.node.holdsVolume('b') && !two.node.isLeaseHeld());
  await scene.run(100);
  await closing;
  assert.deepEqual(kinds(one.events).slice(-1), ['left two']);
  assert.deepEqual([one.node.nodes().length, one.node.volume('b')?.isAlive], [1, false]);
  const three = scene.add('three', ['b'], '[fdaa::3]:7000');
  await scene.run(2 * heartbeatMs, ['b']);
  assert.ok(three.node.holdsVolume('b'));
  assert.deepEqual(
    [one.node.volume('b')?.node, one.node.volume('b')?.address, one.node.volume('b')?.isAlive],
    ['three', '[fdaa::3]:7000', true],
  );
});

test('a node that is drained says so, and keeps its volumes', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a']);
  const two = scene.add('two', ['b']);
  await scene.run(formed);
  void two.node.drain();
  await scene.run(100);
  assert.deepEqual(
    [one.node.node('two')?.isDraining, one.node.volume('b')?.isDraining, two.node.holdsVolume('b')],
    [true, true, true],
  );
  void two.node.drain(false);
  two.node.update({ load: 0.5, freeBytes: { b: 10 }, address: 'moved:1' });
  await scene.run(2 * heartbeatMs);
  assert.equal(one.node.node('two')?.isDraining, false);
  assert.deepEqual(one.node.node('two')?.volumes, [{ id: 'b', sizeBytes: 100, freeBytes: 10 }]);
  assert.equal(one.node.volume('b')?.address, 'moved:1');
});

test('the lease of a node that died is taken after its time, and by one node only', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a']);
  const two = scene.add('two', ['b']);
  const three = scene.add('three', ['c']);
  await scene.run(formed);
  scene.kill(two);
  await scene.run(leaseMs - 2 * heartbeatMs);
  assert.ok(one.node.volume('b')?.isAlive);
  await scene.run(4 * heartbeatMs);
  for (const { node, events } of [one, three]) {
    assert.equal(kinds(events).filter((kind) => kind === 'leaseLost two').length, 1);
    assert.deepEqual([node.node('two')?.isAlive, node.volume('b')?.isAlive], [false, false]);
  }
  const again = scene.add('two', ['b'], 'elsewhere:7000');
  await scene.run(2 * heartbeatMs, ['b']);
  assert.ok(again.node.holdsVolume('b'));
  assert.equal(one.node.volume('b')?.address, 'elsewhere:7000');
});

test('a node that was killed and is started at once waits for its own lease to run out', async () => {
  const scene = new SimulatedCluster();
  const old = scene.add('one', ['a']);
  await scene.run(formed);
  scene.kill(old);
  const again = scene.add('one', ['a']);
  await scene.run(leaseMs - heartbeatMs, ['a']);
  assert.ok(!again.node.isLeaseHeld());
  await scene.run(4 * heartbeatMs, ['a']);
  assert.ok(again.node.holdsVolume('a'));
});

test('a second node with the name of one that lives does not join', async () => {
  const scene = new SimulatedCluster();
  scene.add('one', ['a']);
  await scene.run(formed);
  const clock = new SimulatedClock(scene.time);
  const joining = assert.rejects(
    ClusterNode.join({
      store: scene.leases.client(clock),
      clock,
      random: seededRandom(scene.next),
      settings,
      log: silentLog,
      state: { name: 'one', region: 'fra', address: 'x:1', version: '1', volumes: [] },
    }),
    (error) => hasCode(error, 'failed_precondition') && /same name/.test(error.message),
  );
  await scene.run(settings.joinTimeoutMs + heartbeatMs, ['a']);
  await joining;
});

test('a copy of a volume that another node has is refused, and the other volumes are served', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a']);
  await scene.run(formed);
  const two = scene.add('two', ['a', 'b']);
  await scene.run(3 * leaseMs, ['a', 'b']);
  assert.deepEqual([two.node.holdsVolume('a'), two.node.holdsVolume('b')], [false, true]);
  assert.deepEqual(two.node.refusals, [{ volumeId: 'a', node: 'one', address: 'one:7000' }]);
  assert.deepEqual(
    two.node.self.volumes.map(({ id }) => id),
    ['b'],
  );
  assert.deepEqual([one.node.holdsVolume('a'), one.node.volume('a')?.node], [true, 'one']);
  scene.kill(one);
  await scene.run(leaseMs + 4 * heartbeatMs, ['a', 'b']);
  assert.ok(two.node.holdsVolume('a'), 'it is claimed once the other is gone');
  assert.deepEqual(two.node.refusals, []);
});

test('a node with nothing but a copy of a volume does not start', async () => {
  const scene = new SimulatedCluster();
  scene.add('one', ['a']);
  await scene.run(formed);
  const clock = new SimulatedClock(scene.time);
  const joining = assert.rejects(
    ClusterNode.join({
      store: scene.leases.client(clock),
      clock,
      random: seededRandom(scene.next),
      settings,
      log: silentLog,
      state: {
        name: 'two',
        region: 'fra',
        address: 'x:1',
        version: '1',
        volumes: [{ id: 'a', sizeBytes: 1, freeBytes: 1 }],
      },
    }),
    (error) => hasCode(error, 'failed_precondition') && /copy .* "one"/.test(error.message),
  );
  await scene.run(settings.joinTimeoutMs + heartbeatMs, ['a']);
  await joining;
});

test('a process that was frozen knows that its lease is gone before it does anything', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a']);
  const two = scene.add('two', ['b']);
  await scene.run(formed);
  one.clock.freeze();
  await scene.run(leaseMs - leaseMarginMs, ['a', 'b']);
  assert.ok(!one.node.holdsVolume('a') && !one.node.isLeaseHeld());
  assert.ok(two.node.volume('a')?.isAlive, 'the others wait longer');
  const heir = scene.add('heir', ['a']);
  await scene.run(leaseMs + 2 * heartbeatMs, ['a', 'b']);
  assert.ok(heir.node.holdsVolume('a'));
  // The first thing after waking is asked for here, before anything of it runs.
  assert.ok(!one.node.holdsVolume('a'));
  one.clock.thaw();
  assert.ok(!one.node.holdsVolume('a'));
  await scene.run(4 * heartbeatMs, ['a', 'b']);
  assert.ok(one.node.isLeaseHeld(), 'it is back');
  assert.deepEqual([one.node.holdsVolume('a'), heir.node.holdsVolume('a')], [false, true]);
  assert.deepEqual(
    one.node.refusals.map(({ node }) => node),
    ['heir'],
  );
  assert.deepEqual(view(one.node), view(two.node));
});

test('a machine that was suspended, or whose wall clock was set forward, asks before it goes on', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a']);
  await scene.run(formed);
  one.clock.jump(leaseMs);
  assert.ok(!one.node.holdsVolume('a'));
  await scene.run(2 * heartbeatMs, ['a']);
  assert.ok(one.node.holdsVolume('a'));
  one.clock.jump(-10 * leaseMs);
  assert.ok(one.node.holdsVolume('a'));
  await scene.run(2 * heartbeatMs, ['a']);
  assert.ok(one.node.holdsVolume('a'));
});

test('while the store is out of reach nobody is declared dead, and all heals; also when it lost its data', async () => {
  for (const [outageMs, losesData] of [
    [1_000, false],
    [60_000, false],
    [1_000, true],
    [60_000, true],
  ] as const) {
    const scene = new SimulatedCluster();
    const nodes = ['one', 'two', 'three'].map((name) => scene.add(name, [`disk-${name}`]));
    const volumeIds = nodes.map(({ name }) => `disk-${name}`);
    await scene.run(formed, volumeIds);
    for (const { events } of nodes) events.length = 0;
    scene.leases.isDown = true;
    await scene.run(outageMs, volumeIds);
    if (losesData) scene.leases.loseData();
    for (const { node } of nodes) {
      assert.ok(node.nodes().every(({ isAlive }) => isAlive));
      assert.equal(node.isLeaseHeld(), outageMs < leaseMs - leaseMarginMs - heartbeatMs);
    }
    // A node that knows nothing of what was, with a copy of a volume, comes with the store.
    const stranger = scene.add('stranger', ['disk-one', 'own']);
    scene.leases.isDown = false;
    await scene.run(2 * formed, [...volumeIds, 'own']);
    const what = `${outageMs} ms, ${losesData ? 'losing data' : 'keeping data'}`;
    for (const { name, node, events } of nodes) {
      assert.deepEqual(
        kinds(events).filter((kind) => /leaseLost|left/.test(kind)),
        [],
        what,
      );
      assert.ok(node.isLeaseHeld(), what);
      if (outageMs < leaseMs || !losesData || name !== 'one')
        assert.ok(node.holdsVolume(`disk-${name}`), what);
      assert.deepEqual(view(node), view(stranger.node), what);
    }
    assert.ok(stranger.node.holdsVolume('own'));
  }
});

test('a node that cannot reach the store does not take leases, and loses its own', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a']);
  const two = scene.add('two', ['b']);
  await scene.run(formed);
  two.client.isCutOff = true;
  await scene.run(3 * leaseMs, ['a', 'b']);
  assert.ok(
    two.node.nodes().every(({ isAlive }) => isAlive),
    'it hears nothing, so it says nothing',
  );
  assert.ok(!two.node.isLeaseHeld());
  assert.equal(one.node.node('two')?.isAlive, false);
  two.client.isCutOff = false;
  await scene.run(3 * leaseMs, ['a', 'b']);
  assert.ok(two.node.holdsVolume('b') && one.node.holdsVolume('a'));
  assert.deepEqual(view(two.node), view(one.node));
});

test('nodes that are gone are forgotten, unless a volume was last seen there', async () => {
  const scene = new SimulatedCluster();
  const one = scene.add('one', ['a']);
  const two = scene.add('two', ['b']);
  const three = scene.add('three', []);
  await scene.run(formed);
  scene.kill(two);
  scene.kill(three);
  await scene.run(leaseMs + 4 * heartbeatMs);
  assert.equal(one.node.nodes().length, 3);
  // A shorter time than the setting's is waited for by a node of its own.
  const clock = new SimulatedClock(scene.time);
  const forgetful = new ClusterNode({
    store: scene.leases.client(clock),
    clock,
    random: seededRandom(scene.next),
    settings: { ...settings, forgetNodeMs: leaseMs },
    log: silentLog,
    state: { name: 'four', region: 'fra', address: 'x:1', version: '1', volumes: [] },
  });
  forgetful.start();
  await scene.run(3 * leaseMs);
  assert.deepEqual(
    forgetful.nodes().map(({ name }) => name),
    ['four', 'one', 'two'],
  );
});
