import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Bus, BusListener } from '../membership/bus.ts';
import type { Member, VolumeLocation } from '../membership/membership.ts';
import { SingleNode } from '../membership/single-node.ts';
import { busChanges } from './bus-changes.ts';
import { Placement } from './placement.ts';
import { readOrder } from './read-order.ts';
import { type Candidate, candidatesOf, VolumeRings } from './volume-choice.ts';

function member(name: string, region: string, change: Partial<Member> = {}, freeBytes = 100): Member {
  return {
    name,
    instanceId: name,
    region,
    address: `${name}:1`,
    version: '1',
    isDraining: false,
    isAlive: true,
    load: 0,
    volumes: [{ id: `disk-${name}`, sizeBytes: 200, freeBytes }],
    ...change,
  };
}

const nodes = [
  member('fra-1', 'fra'),
  member('fra-2', 'fra'),
  member('iad-1', 'iad'),
  member('iad-2', 'iad'),
  member('syd-1', 'syd'),
];

const ids = Array.from({ length: 2_000 }, (_, index) => `repository-${index}`);

function count(volumeIds: readonly (string | undefined)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of volumeIds) counts.set(id ?? 'none', (counts.get(id ?? 'none') ?? 0) + 1);
  return counts;
}

test('new repositories go to the region that is wished for, spread by what is free there', () => {
  const uneven = [
    member('big', 'fra', {}, 300),
    member('small', 'fra', {}, 100),
    member('far', 'iad', {}, 900),
  ];
  const rings = new VolumeRings(candidatesOf(uneven, 0));
  const wish = { region: 'fra', copies: 1, replicaRegions: [] };
  const counts = count(ids.map((repositoryId) => rings.choose({ ...wish, repositoryId })?.volumeId));
  assert.deepEqual([...counts.keys()].sort(), ['disk-big', 'disk-small']);
  const share = (counts.get('disk-big') ?? 0) / ids.length;
  assert.ok(share > 0.6 && share < 0.9, `three quarters of the space got ${share}`);
});

test('nodes that are gone or drained, and disks that are full, get nothing', () => {
  const some = [
    member('gone', 'fra', { isAlive: false }),
    member('drained', 'fra', { isDraining: true }),
    member('full', 'fra', {}, 10),
    member('good', 'fra'),
  ];
  assert.deepEqual(
    candidatesOf(some, 10).map(({ volumeId }) => volumeId),
    ['disk-good'],
  );
});

test('replicas go to other nodes: of the region first, then of the regions in order, then of any', () => {
  const rings = new VolumeRings(candidatesOf(nodes, 0));
  const regionOf = (volumeId: string): string => volumeId.slice('disk-'.length, 'disk-'.length + 3);
  for (const repositoryId of ids.slice(0, 200)) {
    const choice = rings.choose({ repositoryId, region: 'fra', copies: 5, replicaRegions: ['syd'] });
    assert.ok(choice !== undefined);
    const order = [choice.volumeId, ...choice.replicas].map(regionOf);
    assert.deepEqual(order, ['fra', 'fra', 'syd', 'iad', 'iad']);
    assert.equal(new Set([choice.volumeId, ...choice.replicas]).size, 5);
    const fewer = rings.choose({ repositoryId, region: 'fra', copies: 2, replicaRegions: [] });
    assert.deepEqual(fewer, { volumeId: choice.volumeId, replicas: choice.replicas.slice(0, 1) });
  }
  const none = rings.choose({ repositoryId: 'x', region: 'nowhere', copies: 1, replicaRegions: ['iad'] });
  assert.equal(none?.volumeId.startsWith('disk-iad'), true, 'a region without volumes is replaced');
  assert.equal(
    new VolumeRings([]).choose({ repositoryId: 'x', region: 'fra', copies: 1, replicaRegions: [] }),
    undefined,
  );
  const many = rings.choose({ repositoryId: 'x', region: 'fra', copies: 9, replicaRegions: [] });
  assert.equal(many?.replicas.length, 4, 'as many as there are');
});

test('a node with several volumes never has two copies of a repository', () => {
  const candidate = fc.record({
    volumeId: fc.uuid(),
    node: fc.constantFrom('a', 'b', 'c', 'd'),
    region: fc.constantFrom('fra', 'iad'),
    freeBytes: fc.integer({ min: 1, max: 1_000 }),
  });
  const wish = fc.record({
    repositoryId: fc.string({ minLength: 1 }),
    region: fc.constantFrom('fra', 'iad', 'syd'),
    copies: fc.integer({ min: 1, max: 5 }),
    replicaRegions: fc.subarray(['fra', 'iad', 'syd']),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(candidate, { selector: ({ volumeId }) => volumeId }),
      wish,
      (candidates, wish) => {
        const choice = new VolumeRings(candidates).choose(wish);
        assert.deepEqual(
          choice,
          new VolumeRings(candidates.toReversed()).choose(wish),
          'every node chooses the same',
        );
        const all = new Map(candidates.map((each): [string, Candidate] => [each.volumeId, each]));
        const chosen =
          choice === undefined ? [] : [choice.volumeId, ...choice.replicas].map((id) => all.get(id));
        const onNodes = new Set(candidates.map(({ node }) => node)).size;
        assert.equal(chosen.length, Math.min(wish.copies, onNodes));
        assert.equal(new Set(chosen.map((each) => each?.node)).size, chosen.length);
        if (candidates.some(({ region }) => region === wish.region))
          assert.equal(chosen[0]?.region, wish.region);
      },
    ),
    { seed: 4, numRuns: 200 },
  );
});

test('when a node goes, only what would have gone there goes elsewhere', () => {
  const large = Array.from({ length: 20 }, (_, index) => member(`n${index}`, 'fra'));
  const wish = { region: 'fra', copies: 1, replicaRegions: [] };
  const before = new VolumeRings(candidatesOf(large, 0));
  const after = new VolumeRings(candidatesOf(large.slice(1), 0));
  const moved = ids.filter((repositoryId) => {
    const [was, is] = [before, after].map((rings) => rings.choose({ ...wish, repositoryId })?.volumeId);
    return was !== 'disk-n0' && was !== is;
  });
  assert.ok(moved.length < ids.length * 0.05, `${moved.length} of ${ids.length} moved without need`);
});

test('reads go to the nearest copy that is alive, and to the primary among equals', () => {
  const location = (volumeId: string, change: Partial<VolumeLocation> = {}): [string, VolumeLocation] => [
    volumeId,
    {
      volumeId,
      node: volumeId,
      region: 'iad',
      address: undefined,
      isLocal: false,
      isAlive: true,
      isDraining: false,
      ...change,
    },
  ];
  const all = new Map([
    location('primary'),
    location('far'),
    location('near', { region: 'fra' }),
    location('leaving', { region: 'fra', isDraining: true }),
    location('own', { region: 'fra', isLocal: true }),
    location('dead', { region: 'fra', isAlive: false }),
  ]);
  const order = (volumeId: string, replicas: readonly string[]): string[] =>
    readOrder({ volumeId, replicas }, { region: 'fra' }, (id) => all.get(id)).map((each) => each.volumeId);
  assert.deepEqual(order('primary', ['far', 'dead', 'leaving', 'near', 'unknown', 'own']), [
    'own',
    'near',
    'leaving',
    'primary',
    'far',
  ]);
  assert.deepEqual(order('dead', []), []);
});

test('a node that is alone puts everything on its own disk, until it is full', () => {
  const membership = new SingleNode({
    name: 'one',
    instanceId: 'x',
    region: 'local',
    address: undefined,
    version: '1',
    volumes: [{ id: 'disk', sizeBytes: 100, freeBytes: 50 }],
  });
  const placement = new Placement({ membership, reserveBytes: 10, replicaRegions: [] });
  const wish = { repositoryId: 'r', copies: 1 };
  assert.deepEqual(placement.choose(wish), { volumeId: 'disk', replicas: [] });
  assert.deepEqual(placement.choose({ ...wish, region: 'fra' }), { volumeId: 'disk', replicas: [] });
  assert.deepEqual(
    placement.readFrom({ volumeId: 'disk', replicas: [] }).map(({ node }) => node),
    ['one'],
  );
  membership.update({ freeBytes: { disk: 10 } });
  assert.equal(placement.choose(wish), undefined);
  placement.close();
  membership.update({ freeBytes: { disk: 50 } });
  assert.equal(placement.choose(wish), undefined);
});

test('changes go over the bus, and what was missed is everything', () => {
  const listeners: BusListener[] = [];
  const bus: Bus = {
    publish: (topic, message) => {
      assert.equal(topic, 'changed.repository');
      for (const listener of listeners) listener.message(message);
    },
    subscribe: (_topic, listener) => {
      listeners.push(listener);
      return () => undefined;
    },
  };
  const forgotten: (string | undefined)[] = [];
  const changes = busChanges(bus);
  changes.listen((repositoryId) => forgotten.push(repositoryId));
  changes.announce('r1');
  listeners[0]?.missed();
  assert.deepEqual(forgotten, ['r1', undefined]);
});
