import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { directorySnapshot } from '#test/directory-snapshot';
import { as, doors } from '#test/doors';
import { fsck, git, gitFails, newWorkTree } from '#test/git';
import { smallDisk } from '#test/small-disk';
import { RootScene } from './root-scene.ts';
import { clone, generated, Scene } from './scene.ts';

const MiB = 1024 * 1024;
let source: string;

before(async () => {
  source = await generated({
    seed: 9,
    commits: 20,
    branches: 2,
    tags: 2,
    files: 10,
    binaries: { count: 20, sizeBytes: MiB },
  });
});

describe('a full disk', () => {
  let scene: RootScene;
  before(async () => {
    const disk = smallDisk(12 * MiB);
    scene = await RootScene.start({ root: disk.directory, wrapper: disk.wrapper });
  });
  after(() => scene[Symbol.asyncDispose]());

  for (const door of doors) {
    test(`refuses a push over ${door.name} that does not fit, changes nothing, and takes the next one that does`, async () => {
      const path = await scene.create();
      const remote = await scene.remote(door, path);
      const small = await newWorkTree();
      await git(['push', '--quiet', remote.url, 'main'], as(remote, { cwd: small }));
      const before = await directorySnapshot(path);

      const said = await gitFails(['push', remote.url, 'main:big', 'binaries'], as(remote, { cwd: source }));
      assert.match(said, /remote unpack failed: .*(disk|space)|unpack.*(disk|space|too large)/i);
      assert.match(said, /! \[remote rejected\] binaries -> binaries \(unpacker error\)/);
      assert.match(said, /! \[remote rejected\] main -> big \(unpacker error\)/);
      assert.deepEqual(await directorySnapshot(path), before);

      await git(['push', '--quiet', remote.url, 'main:fits'], as(remote, { cwd: source }));
      await fsck(path);
      await fsck(await clone(remote, '--mirror'));
    });
  }
});

describe('a limit on the size of a pack', () => {
  let scene: Scene;
  before(async () => {
    scene = await Scene.start({ env: { PACKHORSE_GIT_MAX_PACK_BYTES: String(5 * MiB) } });
  });
  after(() => scene[Symbol.asyncDispose]());

  for (const door of doors) {
    test(`refuses a larger one over ${door.name}, says the limit, and changes nothing`, async () => {
      const served = await scene.empty(door);
      const path = await scene.packhorse.repositoryPath(served.name);
      const before = await directorySnapshot(path);
      const said = await gitFails(['push', '--mirror', served.url], as(served, { cwd: source }));
      assert.match(said, /remote unpack failed: .*(larger|exceeds|limit)|unpack.*(larger|exceeds|limit)/i);
      assert.match(said, /! \[remote rejected\] .*\(unpacker error\)/);
      assert.deepEqual(await directorySnapshot(path), before);
      await git(['push', '--quiet', served.url, 'main'], as(served, { cwd: source }));
    });
  }
});
