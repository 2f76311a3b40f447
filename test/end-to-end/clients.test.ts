import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, doors, type Remote } from '#test/doors';
import { commitFiles, fsck, git } from '#test/git';
import type { Person } from '#test/packhorse';
import { temporaryDirectory } from '#test/temporary';
import { otherClients } from './other-clients.ts';
import { clone, generated, Scene, type Served } from './scene.ts';

let scene: Scene;
let stranger: Person;
let source: string;

before(async () => {
  // No odd file names: not every client can write all of them.
  const shape = {
    seed: 11,
    commits: 250,
    branches: 8,
    tags: 9,
    files: 40,
    oddNames: false,
    binaries: { count: 2, sizeBytes: 150_000 },
  };
  [scene, source] = await Promise.all([Scene.start(), generated(shape)]);
  stranger = await scene.packhorse.createPerson('steve');
});
after(() => scene[Symbol.asyncDispose]());

/** Adds a commit to `main` of a clone that may have no files checked out. */
async function commitOnTop(path: string, name: string): Promise<string> {
  await git(['reset', '--quiet', '--hard', 'refs/heads/main'], { cwd: path });
  return commitFiles(path, { [name]: `${name}\n` });
}

for (const client of otherClients) {
  for (const door of doors.filter(({ name }) => client.doors.includes(name))) {
    describe(`${client.name} over ${door.name}`, () => {
      let served: Served;
      before(async () => {
        served = await scene.filled(door, source, { private: true });
      });

      test('clones a private repository, pushes a commit, and fetches somebody else’s', async () => {
        const path = join(temporaryDirectory('other-clone'), 'clone');
        await client.clone(served, path, scene.owner);
        assert.equal(
          await git(['rev-parse', 'refs/heads/main'], { cwd: path }),
          await git(['rev-parse', 'main'], { cwd: source }),
        );
        await fsck(path);

        const ours = await commitOnTop(path, 'ours.txt');
        await client.push(served, path, 'topic', scene.owner);
        assert.equal(
          (await git(['ls-remote', served.url, 'refs/heads/topic'], as(served))).split('\t')[0],
          ours,
        );

        const other = await clone(served);
        const theirs = await commitOnTop(other, 'theirs.txt');
        await git(['push', '--quiet', 'origin', 'main'], as(served, { cwd: other }));
        await client.fetch(served, path, scene.owner);
        assert.equal(await git(['rev-parse', 'refs/remotes/origin/main'], { cwd: path }), theirs);
        await fsck(path);
      });

      test('is told that it may not, and nothing changes', async () => {
        const hidden: Remote = await door.remote(scene.packhorse, stranger, `${served.name}.git`);
        await assert.rejects(client.clone(hidden, join(temporaryDirectory('refused'), 'clone'), stranger));
        const open = await scene.filled(door, source);
        const refused = await door.remote(scene.packhorse, stranger, `${open.name}.git`);
        const path = join(temporaryDirectory('refused'), 'clone');
        await client.clone(refused, path, stranger);
        await commitOnTop(path, 'sneaky.txt');
        const before = await git(['ls-remote', open.url], as(open));
        await assert.rejects(client.push(refused, path, 'sneaky', stranger));
        assert.equal(await git(['ls-remote', open.url], as(open)), before);
      });
    });
  }
}
