import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from '#base';
import { formedMs as formed, SimulatedCluster, view } from '#test/simulated-cluster';

const { leaseMs } = readSettings().membership;

test('many nodes with partitions, lost messages, freezes, crashes and clock jumps: never two holders, and they agree in the end', async () => {
  for (const [seed, size, rounds] of [
    [11, 200, 3],
    [12, 40, 12],
    [13, 40, 12],
    [14, 40, 12],
  ] as const) {
    const scene = new SimulatedCluster(seed, { maxDelayMs: 80 });
    const { next } = scene;
    const pick = <Value>(values: readonly Value[]): Value =>
      values[Math.floor(next() * values.length)] as Value;
    // Ten volumes have copies: they are what is quarrelled about.
    const copied = Array.from({ length: 10 }, (_, index) => `copied-${index}`);
    const volumesOf = (index: number): string[] => [
      `own-${index}`,
      ...(index < 30 ? [`copied-${index % 10}`] : []),
    ];
    for (let index = 0; index < size; index += 1) {
      scene.add(`n${index}`, volumesOf(index), undefined, 0.99 + next() * 0.02);
    }
    const watched = [...copied, 'own-0', 'own-35', 'own-39'];
    await scene.run(formed, watched);
    let held = 0;
    for (let round = 0; round < rounds; round += 1) {
      // Those with copies are hit more often.
      for (const each of scene.nodes.slice()) {
        const index = Number(each.name.slice(1));
        if (next() > (index < 30 ? 0.3 : 0.03)) continue;
        const fault = pick(['cut', 'freeze', 'crash', 'jump'] as const);
        if (fault === 'cut') each.client.isCutOff = true;
        if (fault === 'freeze') each.clock.freeze();
        if (fault === 'jump') each.clock.jump((next() - 0.5) * 100_000);
        if (fault === 'crash') {
          scene.kill(each);
          scene.add(each.name, volumesOf(index));
        }
      }
      scene.leases.lossShare = next() * 0.1;
      if (round % 4 === 3) scene.leases.isDown = true;
      if (round === 2) scene.leases.loseData();
      await scene.run(next() * 9_000, watched);
      held += copied.filter((volumeId) => scene.nodes.some(({ node }) => node.holdsVolume(volumeId))).length;
      scene.leases.isDown = false;
      for (const { client, clock } of scene.nodes) {
        if (next() < 0.5) client.isCutOff = false;
        if (clock.isFrozen && next() < 0.5) clock.thaw();
      }
    }
    scene.leases.lossShare = 0;
    for (const { client, clock } of scene.nodes) {
      client.isCutOff = false;
      if (clock.isFrozen) clock.thaw();
    }
    await scene.run(3 * leaseMs, watched);
    assert.ok(held >= 2 * rounds && scene.steps > 10_000, 'the volumes were held, and looked at');
    for (const volumeId of watched) {
      assert.equal(scene.nodes.filter(({ node }) => node.holdsVolume(volumeId)).length, 1, volumeId);
    }
    const [first] = scene.nodes;
    assert.ok(first !== undefined && first.node.nodes().length === size);
    for (const { node } of scene.nodes) assert.deepEqual(view(node), view(first.node));
  }
});
