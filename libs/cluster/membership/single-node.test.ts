import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Member,
  type Membership,
  type MembershipEvent,
  type NodeChange,
  type NodeState,
  SingleNode,
  type VolumeLocation,
  type VolumeState,
} from '#cluster';

const disk: VolumeState = { id: 'disk', sizeBytes: 100, freeBytes: 40 };

const state: Omit<NodeState, 'isDraining' | 'load'> = {
  name: 'one',
  instanceId: 'first',
  region: 'fra',
  address: undefined,
  version: '1',
  volumes: [disk],
};

test('a node that is alone holds what it has, and finds it without asking anybody', async () => {
  const membership: Membership = new SingleNode(state);
  const self: Member = { ...state, isDraining: false, load: 0, isAlive: true };
  assert.deepEqual(membership.nodes(), [self]);
  assert.deepEqual([membership.node('one'), membership.node('two')], [self, undefined]);
  const location: VolumeLocation = {
    volumeId: 'disk',
    node: 'one',
    region: 'fra',
    address: undefined,
    isLocal: true,
    isAlive: true,
    isDraining: false,
  };
  assert.deepEqual([membership.volume('disk'), membership.volume('other')], [location, undefined]);
  assert.deepEqual([membership.holdsVolume('disk'), membership.holdsVolume('other')], [true, false]);
  assert.ok(membership.isLeaseHeld());
  await membership.close();
  assert.deepEqual([membership.holdsVolume('disk'), membership.isLeaseHeld()], [false, false]);
});

test('what a node that is alone says of itself is told to those who watch', async () => {
  const membership = new SingleNode(state);
  const events: MembershipEvent[] = [];
  const end = membership.watch((event) => events.push(event));
  const change: NodeChange = { load: 0.5, freeBytes: { disk: 30, other: 1 } };
  membership.update(change);
  await membership.drain();
  await membership.drain();
  await membership.drain(false);
  await membership.close();
  await membership.close();
  assert.deepEqual(
    events.map((event) => event.kind),
    ['changed', 'changed', 'changed', 'left'],
  );
  assert.deepEqual([membership.self.load, membership.self.volumes], [0.5, [{ ...disk, freeBytes: 30 }]]);
  end();
  membership.update({ load: 0 });
  assert.equal(events.length, 4);
});
