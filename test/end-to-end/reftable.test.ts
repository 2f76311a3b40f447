import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { as } from '#test/doors';
import { commitFiles, fsck, git, refsOf, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { rootDoors, RootScene } from './root-scene.ts';
import { clone } from './scene.ts';

/** Repositories whose refs are in a reftable, which git 2.45 and newer write, are served as far as the machine's git knows them. */

const probe = join(temporaryDirectory('reftable'), 'probe.git');
const knowsReftable =
  (await tryGit(['init', '--quiet', '--bare', '--ref-format=reftable', probe])).code === 0;
// Git 2.46 can change the format.
const canMigrate = (await tryGit(['refs', 'migrate', '-h'])).stdout.includes('--ref-format');

let scene: RootScene;
before(async () => {
  scene = await RootScene.start({ serveArguments: ['--informative-errors', '--hooks'] });
});
after(() => scene[Symbol.asyncDispose]());

for (const door of rootDoors) {
  for (const format of ['sha1', 'sha256']) {
    test(
      `a reftable of ${format} is pushed to, listed, cloned and fetched over ${door.name}`,
      { skip: knowsReftable ? false : 'the git of this machine knows no reftable' },
      async () => {
        const path = scene.newPath();
        const object = `--object-format=${format}`;
        await git(['init', '--quiet', '--bare', '--ref-format=reftable', object, path]);
        writeFileSync(join(path, 'hooks/pre-receive'), '#!/bin/sh\necho the hook speaks\n');
        chmodSync(join(path, 'hooks/pre-receive'), 0o755);
        const remote = await scene.remote(door, path);
        const work = join(temporaryDirectory('work'), 'work');
        await git(['init', '--quiet', object, work]);
        for (const version of ['0', '1', '2']) {
          const protocol = ['-c', `protocol.version=${version}`];
          const oid = await commitFiles(work, { file: version });
          await git(['tag', '-a', '-m', version, `v${version}`], { cwd: work });
          const pushed = await tryGit(
            [...protocol, 'push', '--atomic', remote.url, 'main', `v${version}`],
            as(remote, { cwd: work }),
          );
          assert.equal(pushed.code, 0, pushed.stderr);
          assert.match(pushed.stderr, /remote: the hook speaks/);
          // Another program's change is there at once.
          await git(['update-ref', `refs/heads/by-hand-${version}`, oid], { cwd: path });
          assert.equal(
            await git([...protocol, 'ls-remote', remote.url], as(remote)),
            await git([...protocol, 'ls-remote', path]),
          );
          const mirror = await clone(remote, ...protocol, '--mirror');
          assert.equal(await refsOf(mirror), await refsOf(path));
          await fsck(mirror);
        }
      },
    );
  }
}

test(
  'a repository whose format changes is served before and after',
  { skip: canMigrate ? false : 'the git of this machine cannot change the format' },
  async () => {
    const path = await scene.create();
    const remote = await scene.remote({ name: 'http' }, path);
    const work = join(temporaryDirectory('work'), 'work');
    await git(['init', '--quiet', work]);
    for (const format of ['reftable', 'files']) {
      const oid = await commitFiles(work, { format });
      await git(['push', '--quiet', remote.url, 'main'], as(remote, { cwd: work }));
      const migrated = await tryGit(['refs', 'migrate', `--ref-format=${format}`], { cwd: path });
      assert.equal(migrated.code, 0, migrated.stderr);
      assert.equal((await git(['ls-remote', remote.url, 'main'], as(remote))).split('\t')[0], oid);
    }
  },
);
