import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { directorySnapshot } from '#test/directory-snapshot';
import { as, doors, type Door, type Remote } from '#test/doors';
import { commitFiles, fsck, git, gitFails, newWorkTree, refsOf } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { rootDoors, RootScene } from './root-scene.ts';
import { clone, generated } from './scene.ts';

/** Other programs change the served directory at any time, and every answer reflects the disk as it is at the request. */

let scene: RootScene;
let source: string;

before(async () => {
  [scene, source] = await Promise.all([RootScene.start(), generated()]);
});
after(() => scene[Symbol.asyncDispose]());

interface Place extends Remote {
  readonly path: string;
}

for (const door of rootDoors) {
  describe(`a plain directory over ${door.name}`, () => {
    const at = async (path: string): Promise<Place> => ({ path, ...(await scene.remote(door, path)) });
    const copy = async (): Promise<Place> => at(await scene.create(source));
    const listed = (place: Remote): Promise<string> => git(['ls-remote', place.url], as(place));
    /** What the server says is what the disk says. */
    const same = async (place: Place, when: string): Promise<void> => {
      assert.equal(await listed(place), await git(['ls-remote', place.path]), when);
    };

    test('refs that git writes are seen at once, loose, packed, symbolic or deleted', async () => {
      const place = await copy();
      const here = { cwd: place.path };
      await same(place, 'at first');
      const old = await git(['rev-parse', 'main~5'], here);
      const steps: readonly (readonly string[])[] = [
        ['update-ref', 'refs/heads/main', old],
        ['update-ref', 'refs/heads/new/branch', 'main'],
        ['pack-refs', '--all'],
        ['update-ref', 'refs/heads/new/branch', 'main~3'],
        ['update-ref', '-d', 'refs/heads/odd-names'],
        ['symbolic-ref', 'HEAD', 'refs/heads/new/branch'],
        ['symbolic-ref', 'refs/heads/alias', 'refs/heads/main'],
        ['tag', '-a', '-m', 'new', 'behind-your-back', 'main'],
        ['pack-refs', '--all', '--prune'],
        ['symbolic-ref', 'HEAD', 'refs/heads/unborn'],
      ];
      for (const step of steps) {
        await git(step, here);
        await same(place, step.join(' '));
      }
    });

    test('one ref is moved again and again, and no answer is ever old', async () => {
      const place = await copy();
      const oids = (await git(['rev-list', '-n', '25', 'main'], { cwd: place.path })).split('\n');
      for (const oid of oids) {
        await git(['update-ref', 'refs/heads/moving', oid], { cwd: place.path });
        assert.equal(
          await git(['ls-remote', place.url, 'refs/heads/moving'], as(place)),
          `${oid}\trefs/heads/moving`,
        );
      }
    });

    test('objects are found after git repacked them, and new packs are seen', async () => {
      const place = await copy();
      const path = await clone(place, '--mirror');
      const work = await newWorkTree();
      const oid = await commitFiles(work, { 'a.txt': 'a\n' });
      await git(['push', '--quiet', place.path, 'main:refs/heads/other'], { cwd: work });
      await git(['fetch', '--quiet', 'origin'], as(place, { cwd: path }));
      assert.equal(await git(['rev-parse', 'refs/heads/other'], { cwd: path }), oid);
      await git(['gc', '--quiet', '--prune=now'], { cwd: place.path });
      await git(['repack', '-a', '-d', '-f', '-q', '--write-bitmap-index'], { cwd: place.path });
      await same(place, 'after gc');
      const again = await clone(place, '--mirror');
      assert.equal(await refsOf(again), await refsOf(place.path));
      await fsck(again);
    });

    test('a push is on disk when it is acknowledged, and git goes on from there', async () => {
      const place = await at(await scene.create());
      await git(['push', '--quiet', '--mirror', place.url], as(place, { cwd: source }));
      assert.equal(await refsOf(place.path), await refsOf(source));
      await fsck(place.path);
      const work = await clone(place);
      const oid = await commitFiles(work, { 'a.txt': 'a\n' });
      await git(['push', '--quiet', 'origin', 'main'], as(place, { cwd: work }));
      assert.equal(await git(['rev-parse', 'main'], { cwd: place.path }), oid);
      await git(['update-ref', 'refs/heads/main', 'main~1'], { cwd: place.path });
      await git(['push', '--quiet', 'origin', 'main'], as(place, { cwd: work }));
      assert.equal(await git(['rev-parse', 'main'], { cwd: place.path }), oid);
    });

    test('a push based on a ref that git moved meanwhile is refused', async () => {
      const place = await copy();
      const work = await clone(place);
      await commitFiles(work, { 'a.txt': 'a\n' });
      await git(['update-ref', 'refs/heads/main', 'main~1'], { cwd: place.path });
      await commitFiles(work, { 'b.txt': 'b\n' });
      const other = await newWorkTree();
      const oid = await commitFiles(other, { c: 'c\n' });
      await git(['push', '--quiet', '--force', place.path, 'main:main'], { cwd: other });
      assert.match(await gitFails(['push', 'origin', 'main'], as(place, { cwd: work })), /rejected/);
      assert.equal(await git(['rev-parse', 'main'], { cwd: place.path }), oid);
    });

    test('repositories appear, disappear, move and come again with other content', async () => {
      const place = await at(scene.newPath());
      const gone = /no (?:such )?repository|not found|not appear to be a git repository/i;
      assert.match(await gitFails(['ls-remote', place.url], as(place)), gone);
      await scene.create(source, place.path);
      await same(place, 'created');
      rmSync(place.path, { recursive: true });
      assert.match(await gitFails(['ls-remote', place.url], as(place)), gone);
      await scene.create(undefined, place.path);
      assert.equal(await listed(place), '');
      const work = await newWorkTree();
      await git(['push', '--quiet', place.url, 'main'], as(place, { cwd: work }));
      await same(place, 'created again');
      const moved = await at(scene.newPath());
      renameSync(place.path, moved.path);
      assert.match(await gitFails(['ls-remote', place.url], as(place)), gone);
      await same(moved, 'moved');
      renameSync(moved.path, place.path);
      await clone(place);
    });

    test('what the repository’s own configuration forbids is refused, as soon as it is written', async () => {
      const place = await copy();
      const work = await clone(place);
      const set = (key: string, value: string): Promise<string> =>
        git(['config', key, value], { cwd: place.path });
      const refused = async (pattern: RegExp, ...args: readonly string[]): Promise<void> => {
        const before = await directorySnapshot(place.path);
        assert.match(await gitFails(['push', 'origin', ...args], as(place, { cwd: work })), pattern);
        assert.deepEqual(await directorySnapshot(place.path), before);
      };
      await set('receive.denyNonFastForwards', 'true');
      await git(['commit', '--quiet', '--amend', '--message', 'Rewritten'], { cwd: work });
      await refused(/! \[remote rejected\] main -> main \(non-fast-forward\)/, '--force', 'main');
      await set('receive.denyNonFastForwards', 'false');
      await git(['push', '--quiet', '--force', 'origin', 'main'], as(place, { cwd: work }));
      await set('receive.denyDeletes', 'true');
      await refused(/! \[remote rejected\] odd-names \(deletion prohibited\)/, ':odd-names');
      await set('receive.denyDeletes', 'false');
      await refused(/! \[remote rejected\] main \(deletion of the current branch prohibited\)/, ':main');
      await git(['push', '--quiet', 'origin', ':odd-names'], as(place, { cwd: work }));
      await refused(/does not support push options/, '--push-option=x', 'main:elsewhere');
      await set('receive.advertisePushOptions', 'true');
      await git(['push', '--quiet', '--push-option=x', 'origin', 'main:elsewhere'], as(place, { cwd: work }));
    });

    test('a pack over receive.maxInputSize is refused', async () => {
      const place = await at(await scene.create());
      await git(['config', 'receive.maxInputSize', '100k'], { cwd: place.path });
      const before = await directorySnapshot(place.path);
      const said = await gitFails(['push', '--mirror', place.url], as(place, { cwd: source }));
      assert.match(said, /larger|exceeds|limit|maximum/i);
      assert.match(said, /unpacker error|remote unpack failed/i);
      assert.deepEqual(await directorySnapshot(place.path), before);
    });

    test('hidden refs are not shown, not given and not written', async () => {
      const place = await copy();
      const oid = await git(['commit-tree', '-m', 'secret', 'main^{tree}'], { cwd: place.path });
      await git(['update-ref', 'refs/secret/one', oid], { cwd: place.path });
      await git(['config', 'transfer.hideRefs', 'refs/secret'], { cwd: place.path });
      assert.doesNotMatch(await listed(place), /secret/);
      const work = await clone(place);
      await commitFiles(work, { a: 'a\n' });
      const said = await gitFails(['push', 'origin', 'main:refs/secret/two'], as(place, { cwd: work }));
      assert.match(said, /! \[remote rejected\] main -> refs\/secret\/two \(deny updating a hidden ref\)/);
      await git(['config', '--unset', 'transfer.hideRefs'], { cwd: place.path });
      assert.match(await listed(place), /refs\/secret\/one/);
    });

    test('a repository with a work tree is served, but its checked-out branch is not moved', async () => {
      const path = join(scene.root, `with-work-tree-${door.name}`);
      await git(['clone', '--quiet', source, path]);
      const place = await at(path);
      await same(place, 'with a work tree');
      const work = await clone(place);
      await commitFiles(work, { a: 'a\n' });
      const said = await gitFails(['push', 'origin', 'main'], as(place, { cwd: work }));
      assert.match(said, /! \[remote rejected\] main -> main \(branch is currently checked out\)/);
      await git(['push', '--quiet', 'origin', 'main:other'], as(place, { cwd: work }));
    });

    test('borrowed objects, SHA-256 and shallow repositories are served', async () => {
      const borrowing = await at(scene.newPath());
      await git(['clone', '--quiet', '--bare', '--shared', source, borrowing.path]);
      await fsck(await clone(borrowing, '--mirror'));

      const modern = await at(scene.newPath());
      await git(['init', '--quiet', '--bare', '--object-format=sha256', modern.path]);
      const work = join(temporaryDirectory('sha256'), 'work');
      await git(['init', '--quiet', '--object-format=sha256', work]);
      const oid = await commitFiles(work, { a: 'a\n' });
      assert.equal(oid.length, 64);
      await git(['push', '--quiet', modern.url, 'main'], as(modern, { cwd: work }));
      assert.equal(await git(['rev-parse', 'HEAD'], { cwd: await clone(modern) }), oid);

      const shallow = await at(scene.newPath());
      await git(['clone', '--quiet', '--bare', '--depth=3', `file://${source}`, shallow.path]);
      const path = await clone(shallow);
      assert.equal(
        await git(['rev-list', 'HEAD'], { cwd: path }),
        await git(['rev-list', 'main'], { cwd: shallow.path }),
      );
    });
  });
}

test('nothing outside the root is served', async () => {
  const outside = join(scene.root, '..', `outside-${process.pid}.git`);
  await git(['init', '--quiet', '--bare', outside]);
  try {
    const name = `outside-${process.pid}.git`;
    for (const path of [
      `../${name}`,
      `%2e%2e/${name}`,
      `group/../../${name}`,
      `..%2f${name}`,
      `/etc`,
      '.',
      '',
    ]) {
      const response = await fetch(`${scene.packhorse.httpUrl}/${path}/info/refs?service=git-upload-pack`);
      assert.ok([400, 404].includes(response.status), `${path}: ${response.status}`);
      assert.doesNotMatch(await response.text(), /service=git-upload-pack/);
    }
    const ssh: Door = doors[1] ?? assert.fail();
    const { url, env } = await scene.remote(ssh, join(scene.root, 'x'));
    const said = await gitFails(['ls-remote', url.replace(/x$/, `../${name}`)], { env });
    assert.match(said, /There is no repository here\.|this is not a valid repository address\./);
  } finally {
    rmSync(outside, { recursive: true });
  }
});

test('without --anonymous-push, HTTP is for reading unless the repository says otherwise', async () => {
  await using readOnly = await RootScene.start({ anonymousPush: false });
  const http = doors[0] ?? assert.fail();
  const path = await readOnly.create(source);
  const { url } = await readOnly.remote(http, path);
  await clone({ url, env: {} });
  const said = await gitFails(['push', url, 'main:new'], { cwd: source });
  assert.match(
    said,
    /^remote: .+\nfatal: unable to access 'http:.*': The requested URL returned error: 403\n$/,
  );
  await git(['config', 'http.receivepack', 'true'], { cwd: path });
  await git(['push', '--quiet', url, 'main:new'], { cwd: source });
});
