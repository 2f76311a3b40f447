import assert from 'node:assert/strict';
import { readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { as, doors } from '#test/doors';
import { commitFiles, fsck, git, refsOf } from '#test/git';
import { run } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';
import { clone, generated, Scene } from './scene.ts';

let scene: Scene;
let source: string;

before(async () => {
  const shape = {
    seed: 5,
    commits: 200,
    branches: 5,
    tags: 9,
    files: 30,
    binaries: { count: 10, sizeBytes: 400_000 },
  };
  [scene, source] = await Promise.all([Scene.start(), generated(shape)]);
});
after(() => scene[Symbol.asyncDispose]());

/** Resolves when a file whose name matches appears in `directory`. */
async function appears(directory: string, name: RegExp): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watcher = watch(directory, (_, changed) => {
    if (changed !== null && name.test(changed)) resolve();
  });
  await promise;
  watcher.close();
}

async function imported(name: string): Promise<string> {
  const person = scene.owner;
  const fullName = `${person.login}/${name}`;
  await scene.packhorse.cli(['repo', 'import', source, fullName]);
  return await scene.packhorse.repositoryPath(fullName);
}

for (const [what, directory, pattern] of [
  ['the base pack', 'objects', /^tmp_objdir-maintenance/],
  ['a pack', 'objects/pack', /^tmp_pack/],
  ['the commit-graph', 'objects/info', /commit-graph/],
] as const) {
  test(`the server is killed while it writes ${what}: the repository is whole, and the next run tidies up`, async () => {
    const name = `killed-${pattern.source.replaceAll(/[^a-z]/g, '')}`;
    const path = await imported(name);
    const refs = await refsOf(path);
    const appeared = appears(join(path, directory), pattern);
    const running = scene.packhorse.tryCli(['repo', 'maintain', `${scene.owner.login}/${name}`]);
    await appeared;
    await scene.packhorse.kill9();
    await running;
    await fsck(path);
    await scene.packhorse.restart();
    await scene.packhorse.cli(['repo', 'maintain', `${scene.owner.login}/${name}`]);
    assert.equal(await refsOf(path), refs);
    await fsck(path);
    const left = [...readdirSync(join(path, 'objects')), ...readdirSync(join(path, 'objects/info'))].filter(
      (entry) => /^tmp_|\.lock$/.test(entry),
    );
    assert.deepEqual(left, []);
  });
}

test('copies that are taken with cp -r, and pushes and clones through every door, while packs are replaced', async () => {
  for (const door of doors) {
    const at = await scene.empty(door);
    await git(['push', '--quiet', '--mirror', at.url], as(at, { cwd: source }));
    const path = await scene.packhorse.repositoryPath(at.name);
    const work = await clone(at);
    const ended = new AbortController();
    const maintenance = (async () => {
      for (let round = 0; round < 3; round += 1) await scene.packhorse.cli(['repo', 'maintain', at.name]);
      ended.abort();
    })();
    let rounds = 0;
    do {
      const copy = join(temporaryDirectory('copy'), 'copy.git');
      // Its exit status tells of temporary files that were gone again before it came to them.
      await run('cp', ['-r', path, copy], {});
      await fsck(copy);
      const tip = await commitFiles(work, { during: String(rounds) });
      await git(['push', '--quiet', 'origin', 'HEAD:refs/heads/during'], as(at, { cwd: work }));
      assert.equal(await git(['rev-parse', 'refs/heads/during'], { cwd: path }), tip);
      await fsck(await clone(at, '--mirror'));
      rounds += 1;
    } while (!ended.signal.aborted);
    await maintenance;
    await fsck(path);
  }
});
