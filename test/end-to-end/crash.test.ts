import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { directorySnapshot } from '#test/directory-snapshot';
import { as, doors, type Door } from '#test/doors';
import { fsck, git, startGit } from '#test/git';
import { waitUntil } from '#test/wait';
import { clone, generated, Scene, stalling, type Served } from './scene.ts';

let scene: Scene;
let source: string;
/** About 6 MB that do not compress: a push that has a middle. */
const packBytes = 6_000_000;

before(async () => {
  const shape = {
    seed: 3,
    commits: 50,
    branches: 3,
    tags: 3,
    files: 20,
    binaries: { count: 12, sizeBytes: packBytes / 12 },
  };
  [scene, source] = await Promise.all([Scene.start(), generated(shape)]);
});
after(() => scene[Symbol.asyncDispose]());

interface Place extends Served {
  readonly onDisk: string;
}

/** A repository with one branch, so that there is something to lose. */
async function place(door: Door): Promise<Place> {
  const served = await scene.empty(door);
  await git(['push', '--quiet', served.url, 'main'], as(served, { cwd: source }));
  return { ...served, onDisk: await scene.packhorse.repositoryPath(served.name) };
}

/** What may change although nothing was pushed: the database's own files, and who holds the volume. */
const ownFiles = ['postgres', 'admin.json', 'volume/lock', 'volume/lock-journal'];

/** Everything else that the server keeps. */
function kept(): Promise<Record<string, string>> {
  return directorySnapshot(scene.packhorse.dataDir, { except: ownFiles });
}

for (const door of doors) {
  describe(`a push that breaks off over ${door.name}`, () => {
    test('the client is killed: nothing changed, nothing is left, and the next push succeeds', async () => {
      const at = await place(door);
      const before = await kept();
      for (const part of [0.02, 0.5, 0.95]) {
        await using stalled = await stalling(scene, door, at, packBytes * part);
        const pushing = startGit(
          ['push', '--quiet', '--mirror', stalled.remote.url],
          as(at, { cwd: source }),
        );
        await stalled.proxy.stalled;
        await pushing.killGroup();
        await waitUntil(
          'the server has cleaned up',
          async () => JSON.stringify(await kept()) === JSON.stringify(before),
        );
      }
      await git(['push', '--quiet', '--mirror', at.url], as(at, { cwd: source }));
      await fsck(await clone(at, '--mirror'));
    });

    test('the server is killed: nothing changed, nothing is left after its restart, and the next push succeeds', async () => {
      const at = await place(door);
      const before = await kept();
      for (const part of [0.02, 0.5, 0.95]) {
        await using stalled = await stalling(scene, door, at, packBytes * part);
        const pushing = startGit(
          ['push', '--quiet', '--mirror', stalled.remote.url],
          as(at, { cwd: source }),
        );
        await stalled.proxy.stalled;
        await scene.packhorse.kill9();
        assert.notEqual((await pushing.exited).code, 0);
        await scene.packhorse.restart();
        assert.deepEqual(await kept(), before);
      }
      await git(['push', '--quiet', '--mirror', at.url], as(at, { cwd: source }));
      await fsck(await clone(at, '--mirror'));
      await fsck(at.onDisk);
    });

    test('the server is killed at any moment of small pushes: each ref is old or new, and every acknowledged push is there', async () => {
      const at = await place(door);
      const commits = (await git(['rev-list', '--reverse', 'main'], { cwd: source })).split('\n');
      let acknowledged = '';
      for (let round = 0; round < 3; round += 1) {
        const killer = setTimeout(() => void scene.packhorse.kill9(), 400 + round * 350);
        let tried = '';
        for (let index = 0; ; index += 1) {
          tried = commits[index % commits.length] ?? '';
          const pushing = startGit(
            ['push', '--quiet', '--force', at.url, `${tried}:refs/heads/moving`],
            as(at, { cwd: source }),
          );
          if ((await pushing.exited).code !== 0) break;
          acknowledged = tried;
        }
        clearTimeout(killer);
        await scene.packhorse.restart();
        const found = (await git(['ls-remote', at.url, 'refs/heads/moving'], as(at))).split('\t')[0];
        assert.ok(
          found === acknowledged || found === tried,
          `${found} is neither ${acknowledged} nor ${tried}`,
        );
        acknowledged = found ?? '';
        await fsck(at.onDisk);
      }
    });
  });
}
