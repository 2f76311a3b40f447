import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { as, doors, type Door } from '#test/doors';
import { git } from '#test/git';
import { type Memory, PeakMemory } from '#test/process-memory';
import { removeDirectory } from '#test/temporary';
import { clone, generated, Scene, type Served } from './scene.ts';

/**
 * Nothing may hold a pack in memory: what the server needs above idle is bounded, and a pack twice as
 * large needs no more. Memory that is not backed by files is what counts; of a push, also that of the
 * git processes that examine it.
 */

const MiB = 1024 * 1024;
const allowedBytes = { push: 100 * MiB, clones: 150 * MiB };
/** What a heap may differ by between two runs of the same work. */
const noiseBytes = 40 * MiB;
const sizes = { small: 64 * MiB, large: 160 * MiB };

let scene: Scene;
const sources = new Map<number, string>();

before(async () => {
  scene = await Scene.start();
  for (const sizeBytes of Object.values(sizes)) {
    const binaries = { count: sizeBytes / MiB, sizeBytes: MiB };
    sources.set(
      sizeBytes,
      await generated({ seed: 5, commits: 200, branches: 4, tags: 4, files: 40, binaries }),
    );
  }
});
after(() => scene[Symbol.asyncDispose]());

/** How far that went above what it is at rest while `work` ran. */
async function peakAboveIdle(measure: () => Memory, work: () => Promise<unknown>): Promise<number> {
  const idle = measure().anonBytes;
  using peak = new PeakMemory(measure);
  await work();
  const { anonBytes, samples } = peak.stop();
  assert.ok(samples > 10, `only ${samples} samples: that says nothing`);
  return anonBytes - idle;
}

const inMiB = (bytes: number): string => `${(bytes / MiB).toFixed(0)} MiB`;

for (const door of doors) {
  describe(`memory over ${door.name}`, () => {
    const pushed = new Map<number, Served>();

    async function push(door: Door, sizeBytes: number): Promise<number> {
      const served = await scene.empty(door);
      const source = sources.get(sizeBytes) ?? assert.fail();
      const peak = await peakAboveIdle(
        () => scene.packhorse.treeMemory(),
        () => git(['push', '--quiet', '--mirror', served.url], as(served, { cwd: source })),
      );
      pushed.set(sizeBytes, served);
      return peak;
    }

    test('a push stays within its bound, and one twice as large adds nothing', async (context) => {
      // What a push leaves for the collector is idle memory for the next one, so the largest of two is what one takes.
      const small = Math.max(await push(door, sizes.small), await push(door, sizes.small));
      const large = await push(door, sizes.large);
      context.diagnostic(
        `above idle: ${inMiB(small)} for ${inMiB(sizes.small)}, ${inMiB(large)} for ${inMiB(sizes.large)}`,
      );
      assert.ok(large < allowedBytes.push, `${inMiB(large)} above idle`);
      assert.ok(large - small < noiseBytes, `${inMiB(small)} for the small, ${inMiB(large)} for the large`);
    });

    test('four clones at once stay within the same bound', async (context) => {
      const peaks: number[] = [];
      for (const sizeBytes of Object.values(sizes)) {
        const served = pushed.get(sizeBytes) ?? assert.fail();
        peaks.push(
          await peakAboveIdle(
            () => scene.packhorse.memory(),
            async () => {
              const clones = await Promise.all(Array.from({ length: 4 }, () => clone(served, '--mirror')));
              for (const path of clones) removeDirectory(path);
            },
          ),
        );
      }
      const [small = 0, large = 0] = peaks;
      context.diagnostic(
        `above idle: ${inMiB(small)} for ${inMiB(sizes.small)}, ${inMiB(large)} for ${inMiB(sizes.large)}`,
      );
      assert.ok(large < allowedBytes.clones, `${inMiB(large)} above idle`);
      assert.ok(large - small < noiseBytes, `${inMiB(small)} for the small, ${inMiB(large)} for the large`);
    });
  });
}
