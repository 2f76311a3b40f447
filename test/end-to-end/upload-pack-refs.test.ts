import assert from 'node:assert/strict';
import { appendFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, type Remote } from '#test/doors';
import { fsck, git, tryGit } from '#test/git';
import { uploadPackV2 } from '#test/raw-git';
import { temporaryDirectory } from '#test/temporary';
import { rootDoors, RootScene } from './root-scene.ts';
import { clone, configure, generated } from './scene.ts';

/**
 * What a client can ask of a plain directory, answered as git's own upload-pack answers it: the same
 * command is run against the path on disk, which is git alone, and through each door.
 */

let scene: RootScene;
let source: string;

before(async () => {
  [scene, source] = await Promise.all([RootScene.start(), generated()]);
});
after(() => scene[Symbol.asyncDispose]());

/** The repository with every kind of ref that there can be. */
async function odd(path: string): Promise<void> {
  const here = { cwd: path };
  const oid = await git(['rev-parse', 'main'], here);
  const identity = ['-c', 'user.name=T', '-c', 'user.email=t@example.org'];
  await git([...identity, 'tag', '-a', '-m', 'one', 'nest-1', 'main'], here);
  await git([...identity, 'tag', '-a', '-m', 'two', 'nest-2', 'nest-1'], here);
  await git(['tag', 'to-tree', 'main^{tree}'], here);
  await git(['symbolic-ref', 'refs/heads/one', 'refs/heads/two'], here);
  await git(['symbolic-ref', 'refs/heads/two', 'refs/heads/main'], here);
  await git(['symbolic-ref', 'refs/heads/dangling', 'refs/heads/nothing'], here);
  await git(['symbolic-ref', 'refs/heads/loop', 'refs/heads/loop-back'], here);
  await git(['symbolic-ref', 'refs/heads/loop-back', 'refs/heads/loop'], here);
  await git(['update-ref', `refs/replace/${oid}`, 'main~1'], here);
  await git(['update-ref', 'refs/heads/ünï/€/𝄞', 'main~2'], here);
}

/** Refs that lead nowhere. Git shows them to clients, who can then fetch nothing; here they are left out. */
function breakRefs(path: string, oid: string): void {
  const contents = {
    broken: 'nonsense\n',
    missing: `${'12'.repeat(20)}\n`,
    zero: `${'0'.repeat(40)}\n`,
    empty: '',
  };
  for (const [name, content] of Object.entries({ ...contents, 'not a name': `${oid}\n` })) {
    writeFileSync(join(path, 'refs/heads', name), content);
  }
}

for (const door of rootDoors) {
  describe(`upload-pack over ${door.name}`, () => {
    const at = async (path: string): Promise<Remote> => await scene.remote(door, path);
    const copy = async (): Promise<{ readonly path: string; readonly remote: Remote }> => {
      const path = await scene.create(source);
      return { path, remote: await at(path) };
    };
    /** What git says of the path on disk and of the same repository through the door. */
    const sameListing = async (path: string, remote: Remote, what: string): Promise<void> => {
      for (const version of ['0', '1', '2']) {
        const args = ['-c', `protocol.version=${version}`, 'ls-remote', '--symref'];
        const expected = await tryGit([...args, path]);
        const actual = await tryGit([...args, remote.url], as(remote));
        assert.equal(actual.stdout.toString(), expected.stdout.toString(), `${what}, version ${version}`);
      }
    };

    test('every kind of ref is listed as git lists it, and so is HEAD wherever it leads', async () => {
      const { path, remote } = await copy();
      await odd(path);
      await sameListing(path, remote, 'odd refs');
      await git(['pack-refs', '--all'], { cwd: path });
      await sameListing(path, remote, 'packed');
      const head = join(path, 'HEAD');
      const tag = await git(['rev-parse', 'nest-2'], { cwd: path });
      for (const content of [
        'ref: refs/heads/one\n',
        'ref: refs/heads/dangling\n',
        'ref: refs/heads/unborn\n',
        'ref: refs/tags/nest-2\n',
        'ref: refs/heads/loop\n',
        `${tag}\n`,
        `${await git(['rev-parse', 'main~3'], { cwd: path })}\n`,
      ]) {
        writeFileSync(head, content);
        await sameListing(path, remote, content);
      }
      rmSync(head);
      symlinkSync('refs/heads/main', head);
      await sameListing(path, remote, 'a symbolic link');
      const before = await git(['ls-remote', path]);
      breakRefs(path, tag);
      assert.equal(await git(['ls-remote', remote.url], as(remote)), before);
      await fsck(await clone(remote, '--mirror'));
    });

    test('what is hidden is hidden, and shown again, in the order of the config', async () => {
      const { path, remote } = await copy();
      await git(['update-ref', 'refs/pull/1/head', 'main~1'], { cwd: path });
      await git(['update-ref', 'refs/pull/2/head', 'main~2'], { cwd: path });
      await configure(path, { 'transfer.hideRefs': 'refs/pull' });
      await sameListing(path, remote, 'transfer');
      await configure(path, { 'uploadpack.hideRefs': '!refs/pull/1' });
      await sameListing(path, remote, 'an exception');
      await configure(path, { 'uploadpack.hideRefs': '^refs/heads/' });
      await configure(path, { 'transfer.hideRefs': 'HEAD' });
      await sameListing(path, remote, 'whole names');
      await configure(path, { 'transfer.hideRefs': 'refs/pull/1/' });
      await sameListing(path, remote, 'the last one that matches');
    });

    test('an unborn HEAD is told as lsrefs.unborn says', async () => {
      const path = await scene.create();
      await git(['symbolic-ref', 'HEAD', 'refs/heads/trunk'], { cwd: path });
      const remote = await at(path);
      const ask = [
        'command=ls-refs',
        'object-format=sha1',
        '0001',
        'symrefs',
        'unborn',
        'ref-prefix HEAD',
        '0000',
      ];
      const unborn = 'unborn HEAD symref-target:refs/heads/trunk';
      const offers = async (): Promise<string | undefined> =>
        (await uploadPackV2(remote)).find((line) => line.startsWith('ls-refs'));
      assert.deepEqual(
        [await offers(), await uploadPackV2(remote, ...ask)],
        ['ls-refs=unborn', [unborn, '0000']],
      );
      assert.equal(await git(['symbolic-ref', 'HEAD'], { cwd: await clone(remote) }), 'refs/heads/trunk');
      await configure(path, { 'lsrefs.unborn': 'allow' });
      assert.deepEqual([await offers(), await uploadPackV2(remote, ...ask)], ['ls-refs', [unborn, '0000']]);
      await configure(path, { 'lsrefs.unborn': 'ignore' });
      assert.deepEqual([await offers(), await uploadPackV2(remote, ...ask)], ['ls-refs', ['0000']]);
    });
  });
}

test('a namespace is served as if it were all', async () => {
  const root = temporaryDirectory('namespace');
  await using other = await RootScene.start({ root, serveArguments: ['--namespace', 'inner'] });
  const path = await other.create(source);
  const oid = await git(['rev-parse', 'main~4'], { cwd: path });
  await git(['update-ref', 'refs/namespaces/inner/refs/heads/main', oid], { cwd: path });
  await git(['update-ref', 'refs/namespaces/inner/refs/heads/other', 'main~2'], { cwd: path });
  await git(['symbolic-ref', 'refs/namespaces/inner/HEAD', 'refs/namespaces/inner/refs/heads/main'], {
    cwd: path,
  });
  for (const door of rootDoors.filter(({ name }) => name !== 'git')) {
    const remote = await other.remote(door, path);
    const expected = await git(['ls-remote', '--symref', `ext::git --namespace=inner %s ${path}`], {
      env: { GIT_ALLOW_PROTOCOL: 'ext' },
    });
    for (const version of ['0', '2']) {
      assert.equal(
        await git(['-c', `protocol.version=${version}`, 'ls-remote', '--symref', remote.url], as(remote)),
        expected,
      );
    }
    assert.equal(await git(['rev-parse', 'HEAD'], { cwd: await clone(remote) }), oid);
    appendFileSync(
      join(path, 'config'),
      '[transfer]\n\thideRefs = ^refs/namespaces/inner/refs/heads/other\n',
    );
    assert.doesNotMatch(await git(['ls-remote', remote.url], as(remote)), /other/);
    await git(['config', '--unset-all', 'transfer.hideRefs'], { cwd: path });
  }
});
