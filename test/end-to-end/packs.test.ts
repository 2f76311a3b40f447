import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, doors } from '#test/doors';
import { commitFiles, fsck, git, gitFails } from '#test/git';
import type { Packhorse, Person } from '#test/packhorse';
import { temporaryDirectory } from '#test/temporary';
import { otherClients } from './other-clients.ts';
import { clone, generated, Scene, type Served } from './scene.ts';

/** Clones of the same repository, one after the other and at once: from the cache, from a stored pack and what is new. */

let scene: Scene;
let stranger: Person;
let source: string;

before(async () => {
  const env = { PACKHORSE_GIT_BASE_PACK_MIN_BYTES: '1' };
  [scene, source] = await Promise.all([Scene.start({ env }), generated()]);
  stranger = await scene.packhorse.createPerson('steve');
  await git(['repack', '-adbq'], { cwd: source });
});
after(() => scene[Symbol.asyncDispose]());

/** What the server counted, by the last word of the metric's name. */
async function counted(packhorse: Packhorse): Promise<Record<string, number>> {
  const text = await (await fetch(`${packhorse.httpUrl}/metrics`)).text();
  const matches = text.matchAll(/^packhorse_pack_cache_(\w+) (\d+)$/gm);
  return Object.fromEntries([...matches].map(([, name = '', value]) => [name, Number(value)]));
}

async function same(served: Served, path: string): Promise<void> {
  await fsck(path);
  const there = await git(['ls-remote', '--heads', served.url], as(served));
  assert.ok(there.includes(await git(['rev-parse', 'refs/remotes/origin/main'], { cwd: path })));
}

for (const door of doors) {
  describe(`packs that are sent again over ${door.name}`, () => {
    test('a clone is sent again from where it was, and after a push with what is new', async () => {
      const served = await scene.filled(door, source, { private: true });
      const before = await counted(scene.packhorse);
      await same(served, await clone(served));
      const path = await clone(served);
      await commitFiles(path, { 'new.txt': 'new\n' });
      await git(['push', '--quiet', 'origin', 'HEAD:main'], as(served, { cwd: path }));
      await same(served, await clone(served));
      const now = await counted(scene.packhorse);
      const rise = (name: string): number => (now[name] ?? 0) - (before[name] ?? 0);
      assert.equal(rise('composed') + rise('hits'), 3);
    });

    test('a shallow clone and one without blobs are found again, and what was fetched before is not sent', async () => {
      const served = await scene.filled(door, source, { private: true });
      for (const option of ['--depth=1', '--filter=blob:none']) {
        const before = await counted(scene.packhorse);
        await clone(served, option, '--no-checkout', '--no-local');
        await clone(served, option, '--no-checkout', '--no-local');
        const now = await counted(scene.packhorse);
        const rise = (name: string): number => (now[name] ?? 0) - (before[name] ?? 0);
        assert.deepEqual([rise('misses'), rise('hits') + rise('shared')], [1, 1], option);
      }
    });

    test('what is cached is for those only who may still read it', async () => {
      const served = await scene.filled(door, source, { private: true });
      await scene.packhorse.grant(served.name, stranger.login, 'READER');
      const theirs = await door.remote(scene.packhorse, stranger, `${served.name}.git`);
      await clone(theirs);
      await clone(theirs, '--depth=1');
      const [owner, name] = served.name.split('/');
      await scene.packhorse.graphql(
        'mutation ($input: GrantRoleInput!) { grantRole(input: $input) { name } }',
        {
          input: { owner, name, login: stranger.login, role: null },
        },
      );
      const into = join(temporaryDirectory('refused'), 'clone');
      await gitFails(['clone', theirs.url, into], as(theirs));
      await gitFails(['clone', '--depth=1', theirs.url, into], as(theirs));
    });
  });
}

for (const client of otherClients) {
  const door = doors.find(({ name }) => client.doors.includes(name));
  if (door === undefined) continue;
  test(`${client.name} understands a stored pack with something new behind it`, async () => {
    const served = await scene.filled(door, source, { private: true });
    const ours = await clone(served);
    const head = await commitFiles(ours, { 'new.txt': 'new\n' });
    await git(['push', '--quiet', 'origin', 'HEAD:main'], as(served, { cwd: ours }));
    const before = await counted(scene.packhorse);
    const path = join(temporaryDirectory('other-clone'), 'clone');
    await client.clone(served, path, scene.owner);
    assert.equal(await git(['rev-parse', 'refs/heads/main'], { cwd: path }), head);
    await fsck(path);
    const now = await counted(scene.packhorse);
    assert.ok(
      (now['composed'] ?? 0) > (before['composed'] ?? 0) || (now['misses'] ?? 0) > (before['misses'] ?? 0),
    );
  });
}
