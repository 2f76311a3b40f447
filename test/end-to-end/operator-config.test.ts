import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { as, httpDoor, type Remote } from '#test/doors';
import { fsck, git, gitFails, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { rootDoors, RootScene } from './root-scene.ts';
import { clone, generated, Scene } from './scene.ts';

/** The config of the system and of the user who runs `serve --root` counts before that of each repository. */

let source: string;
before(async () => {
  source = await generated();
});

const listed = (remote: Remote): Promise<string> => git(['ls-remote', remote.url], as(remote));
const http = { name: 'http' } as const;

/** A home with a `.gitconfig`. */
function newHome(text: string): string {
  const home = temporaryDirectory('home');
  writeFileSync(join(home, '.gitconfig'), text);
  return home;
}

test("files count in git's order, add up in lists, and are read anew when they change", async () => {
  const home = newHome('[transfer]\n\thideRefs = refs/heads/main\n[include]\n\tpath = ~/later\n');
  const system = join(temporaryDirectory('etc'), 'gitconfig');
  const real = join(temporaryDirectory('real'), 'config');
  writeFileSync(real, '[transfer]\n\thideRefs = refs/tags\n');
  const xdg = temporaryDirectory('xdg');
  mkdirSync(join(xdg, 'git'));
  symlinkSync(real, join(xdg, 'git/config'));
  const env = { HOME: home, XDG_CONFIG_HOME: xdg, GIT_CONFIG_SYSTEM: system, GIT_CONFIG_NOSYSTEM: '0' };
  await using scene = await RootScene.start({ env });
  const path = await scene.create(source);
  await git(['tag', '-f', 'seen', 'main'], { cwd: path });
  await git(['update-ref', 'refs/notes/n', 'main'], { cwd: path });
  const remote = await scene.remote(http, path);
  assert.doesNotMatch(await listed(remote), /refs\/(?:tags|heads\/main)/);
  assert.match(await listed(remote), /refs\/notes\/n/);
  // A file that was not there, one behind a link, and an include that was not there.
  writeFileSync(system, '[transfer]\n\thideRefs = refs/notes\n');
  assert.doesNotMatch(await listed(remote), /refs\/notes/);
  writeFileSync(real, '');
  assert.match(await listed(remote), /refs\/tags\/seen/);
  writeFileSync(join(home, 'later'), '[transfer]\n\thideRefs = !refs/heads/main\n');
  assert.match(await listed(remote), /refs\/heads\/main/);
  // The repository's own comes last.
  await git(['config', 'transfer.hideRefs', 'refs/heads/main'], { cwd: path });
  assert.doesNotMatch(await listed(remote), /refs\/heads\/main/);
  appendFileSync(join(home, '.gitconfig'), '[http]\n\tuploadpack = false\n');
  assert.match(await gitFails(['ls-remote', remote.url], as(remote)), /403/);
  await git(['config', 'http.uploadpack', 'true'], { cwd: path });
  await listed(remote);
});

test('another place for the config of the user, and what says the format of a repository', async () => {
  const home = newHome('[http]\n\tuploadpack = false\n');
  const file = join(temporaryDirectory('global'), 'config');
  writeFileSync(file, '[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tobjectFormat = sha256\n');
  await using scene = await RootScene.start({ env: { HOME: home, GIT_CONFIG_GLOBAL: file } });
  await clone(await scene.remote(http, await scene.create(source)));
});

for (const door of rootDoors) {
  test(`a pack-objects hook answers each fetch over ${door.name}`, async () => {
    const seen = temporaryDirectory('seen');
    const home = newHome(
      `[uploadpack]\n\tpackObjectsHook = "echo ran >>'${seen}/runs'; echo hook speaks >&2; f() { echo \\"$*\\" >>'${seen}/arguments'; \\"$@\\"; }; f"\n`,
    );
    await using scene = await RootScene.start({ env: { HOME: home } });
    const path = await scene.create(source);
    const remote = await scene.remote(door, path);
    for (let runs = 1; runs <= 2; runs += 1) {
      const copy = join(temporaryDirectory('copy'), 'copy');
      const { code, stderr } = await tryGit(['clone', '--bare', remote.url, copy], as(remote));
      assert.equal(code, 0, stderr);
      assert.match(stderr, /remote: hook speaks/);
      await fsck(copy);
      assert.equal(readFileSync(join(seen, 'runs'), 'utf8'), 'ran\n'.repeat(runs));
    }
    assert.match(readFileSync(join(seen, 'arguments'), 'utf8'), /^git pack-objects --revs .*--stdout/);
    writeFileSync(join(home, '.gitconfig'), '[uploadpack]\n\tpackObjectsHook = false\n');
    assert.match(
      await gitFails(['clone', remote.url, join(temporaryDirectory('copy'), 'copy')], as(remote)),
      /aborting due to possible repository corruption on the remote side/,
    );
  });
}

test('a repository itself names no pack-objects hook', async () => {
  const mark = join(temporaryDirectory('mark'), 'ran');
  await using scene = await RootScene.start({ env: { HOME: newHome('') } });
  const path = await scene.create(source);
  await git(['config', 'uploadpack.packObjectsHook', `touch '${mark}'; :`], { cwd: path });
  await clone(await scene.remote(http, path));
  assert.ok(!existsSync(mark));
});

test('a server with accounts has a config of its own', async () => {
  const home = newHome(
    '[transfer]\n\thideRefs = refs/heads\n[uploadpack]\n\tpackObjectsHook = false\n[receive]\n\tdenyDeletes = true\n',
  );
  await using scene = await Scene.start({ env: { HOME: home } });
  const remote = await scene.filled(httpDoor, source);
  const copy = await clone(remote);
  await git(['push', '--quiet', 'origin', 'main:gone'], as(remote, { cwd: copy }));
  await git(['push', '--quiet', 'origin', ':gone'], as(remote, { cwd: copy }));
});
