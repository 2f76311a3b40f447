import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, type Remote } from '#test/doors';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { rootDoors, RootScene } from './root-scene.ts';

/** What a repository's own configuration says about pushes, in the words that git has for it. */

const zero = '0'.repeat(40);
let scene: RootScene;

before(async () => {
  scene = await RootScene.start();
});
after(() => scene[Symbol.asyncDispose]());

interface Place extends Remote {
  readonly path: string;
  readonly work: string;
}

test('a server of one namespace keeps what is pushed in it', async () => {
  await using inside = await RootScene.start({ env: { GIT_NAMESPACE: 'team/a' } });
  const path = await inside.create();
  const work = await newWorkTree();
  await git(['push', '--quiet', path, 'main'], { cwd: work });
  const oid = await commitFiles(work, { a: 'a' });
  await git(['push', '--quiet', path, 'main:secret'], { cwd: work });
  const { url } = await inside.remote({ name: 'http' }, path);
  const env = { GIT_TRACE_PACKET: '1' };
  const { code, stderr } = await tryGit(['push', url, 'main', 'main:other'], { cwd: work, env });
  assert.equal(code, 0, stderr);
  assert.match(stderr, new RegExp(`< ${oid} \\.have`));
  await git(['push', '--quiet', url, ':other', '+main~1:main'], { cwd: work });
  const begin = await git(['rev-parse', 'main~1'], { cwd: work });
  assert.equal(
    await git(['for-each-ref', '--format=%(refname) %(objectname)'], { cwd: path }),
    [
      `refs/heads/main ${begin}`,
      `refs/heads/secret ${oid}`,
      `refs/namespaces/team/refs/namespaces/a/refs/heads/main ${begin}`,
    ].join('\n'),
  );
});

for (const door of rootDoors) {
  const at = async (path: string, work: string): Promise<Place> => {
    const remote = await scene.remote(door, path);
    await tryGit(['remote', 'remove', 'origin'], { cwd: work });
    await git(['remote', 'add', 'origin', remote.url], { cwd: work });
    return { path, work, ...remote };
  };
  /** A repository with `main` and `old`, and a clone that is one commit ahead. */
  const bare = async (): Promise<Place> => {
    const path = await scene.create();
    const work = await newWorkTree();
    await git(['push', '--quiet', path, 'main', 'main:old'], { cwd: work });
    await commitFiles(work, { a: 'a\n' });
    return await at(path, work);
  };
  const configure = async (place: Place, ...pairs: readonly (readonly [string, string])[]): Promise<void> => {
    for (const [key, value] of pairs) await git(['config', key, value], { cwd: place.path });
  };
  const push = async (place: Place, code: number, ...args: readonly string[]): Promise<string> => {
    const result = await tryGit(['push', '--porcelain', 'origin', ...args], as(place, { cwd: place.work }));
    const said = result.stderr + result.stdout.toString();
    assert.equal(result.code, code, said);
    // Git fills lines of the remote with blanks on a terminal of unknown width.
    return said.replaceAll(/ +$/gm, '');
  };
  const has = async (place: Place, ref: string): Promise<boolean> =>
    (await tryGit(['rev-parse', '--verify', '--quiet', ref], { cwd: place.path })).code === 0;

  describe(`pushes over ${door.name}`, () => {
    test('the branch that is checked out is refused with an explanation, warned of, or moved', async () => {
      const seed = await bare();
      const tree = join(scene.root, `tree-${door.name}`);
      await git(['clone', '--quiet', seed.path, tree]);
      await git(['worktree', 'add', '--quiet', '-b', 'linked', `${tree}-linked`], { cwd: tree });
      const place = await at(join(tree, '.git'), seed.work);
      const refused = await push(place, 1, 'main', 'main:linked');
      assert.match(refused, /remote: error: refusing to update checked out branch: refs\/heads\/main/);
      assert.match(
        refused,
        /remote: error: By default, updating the current branch in a non-bare repository/,
      );
      assert.match(refused, /refs\/heads\/main\t\[remote rejected\] \(branch is currently checked out\)/);
      assert.match(refused, /refs\/heads\/linked\t\[remote rejected\] \(branch is currently checked out\)/);
      await configure(place, ['receive.denyCurrentBranch', 'refuse']);
      assert.doesNotMatch(await push(place, 1, 'main'), /By default/);
      await configure(place, ['receive.denyCurrentBranch', 'warn']);
      assert.match(await push(place, 0, 'main'), /remote: warning: updating the current branch/);
      await configure(place, ['receive.denyCurrentBranch', 'ignore']);
      assert.doesNotMatch(await push(place, 0, 'main:linked'), /warning/);
    });

    test('the current branch is deleted only where that is allowed', async () => {
      const place = await bare();
      const refused = await push(place, 1, ':main');
      assert.match(refused, /remote: error: By default, deleting the current branch is denied/);
      assert.match(refused, /remote: error: refusing to delete the current branch: refs\/heads\/main/);
      assert.match(refused, /\[remote rejected\] \(deletion of the current branch prohibited\)/);
      await configure(place, ['receive.denyDeleteCurrent', 'warn']);
      assert.match(await push(place, 0, ':main'), /remote: warning: deleting the current branch/);
    });

    test('rewinding and deleting are denied in git’s words', async () => {
      const place = await bare();
      await configure(place, ['receive.denyNonFastForwards', 'true'], ['receive.denyDeletes', 'true']);
      await git(['commit', '--quiet', '--amend', '-m', 'Other'], { cwd: place.work });
      await push(place, 0, 'main');
      await git(['commit', '--quiet', '--amend', '-m', 'Rewritten'], { cwd: place.work });
      const said = await push(place, 1, '+main', ':old');
      assert.match(
        said,
        /remote: error: denying non-fast-forward refs\/heads\/main \(you should pull first\)/,
      );
      assert.match(said, /\[remote rejected\] \(non-fast-forward\)/);
      assert.match(said, /remote: error: denying ref deletion for refs\/heads\/old/);
      assert.match(said, /\[remote rejected\] \(deletion prohibited\)/);
    });

    test('hidden refs are neither shown nor written, whole names and exceptions included', async () => {
      const place = await bare();
      await git(['config', '--add', 'transfer.hideRefs', 'refs/pull'], { cwd: place.path });
      await git(['config', '--add', 'receive.hideRefs', '!refs/pull/open'], { cwd: place.path });
      await git(['config', '--add', 'receive.hideRefs', '^refs/heads/secret'], { cwd: place.path });
      const said = await push(place, 1, 'main:refs/pull/1', 'main:refs/pull/open/2', 'main:secret');
      assert.match(said, /refs\/pull\/1\t\[remote rejected\] \(deny updating a hidden ref\)/);
      assert.match(said, /refs\/heads\/secret\t\[remote rejected\] \(deny updating a hidden ref\)/);
      assert.ok(await has(place, 'refs/pull/open/2'));
    });

    test('a symbolic ref and its target move together or not at all', async () => {
      const place = await bare();
      await git(['symbolic-ref', 'refs/heads/alias', 'refs/heads/main'], { cwd: place.path });
      await push(place, 0, 'main', 'main:alias');
      assert.equal(await git(['symbolic-ref', 'refs/heads/alias'], { cwd: place.path }), 'refs/heads/main');
      await commitFiles(place.work, { b: 'b\n' });
      const said = await push(place, 1, 'main', '+main~2:alias');
      assert.match(said, /remote: error: refusing inconsistent update between symref 'refs\/heads\/alias'/);
      assert.equal(said.match(/\[remote rejected\] \(inconsistent aliased update\)/g)?.length, 2);
    });

    test('a push to a symbolic ref whose target is not there creates the target', async () => {
      const place = await bare();
      await git(['symbolic-ref', 'refs/heads/alias', 'refs/heads/unborn'], { cwd: place.path });
      await push(place, 0, 'main:refs/heads/alias');
      assert.equal(await git(['symbolic-ref', 'refs/heads/alias'], { cwd: place.path }), 'refs/heads/unborn');
      const oid = await git(['rev-parse', 'main'], { cwd: place.work });
      assert.equal(await git(['rev-parse', 'refs/heads/unborn'], { cwd: place.path }), oid);
    });

    test('deleting what is not there is a warning', async () => {
      const place = await bare();
      const said = await push(place, 0, ':refs/heads/nothing', ':old');
      assert.match(said, /remote: warning: deleting a non-existent ref/);
      assert.ok(!(await has(place, 'refs/heads/old')));
    });

    test('a ref that leads nowhere is shown to nobody, deleted with a warning, and replaced', async () => {
      const place = await bare();
      const here = (name: string): string => join(place.path, name);
      const packed = `${'34'.repeat(20)} refs/heads/packed-gone\n`;
      const breakThem = async (): Promise<void> => {
        writeFileSync(here('refs/heads/garbage'), 'no id\n');
        writeFileSync(here('refs/heads/gone'), `${'12'.repeat(20)}\n`);
        await git(['pack-refs', '--all'], { cwd: place.path });
        writeFileSync(here('packed-refs'), readFileSync(here('packed-refs'), 'utf8') + packed);
      };
      const names = ['garbage', 'gone', 'packed-gone'];
      await breakThem();
      const listed = await git(['ls-remote', place.url], as(place));
      assert.doesNotMatch(listed, /garbage|gone/);
      const said = await push(place, 0, ...names.map((name) => `:refs/heads/${name}`));
      assert.equal(said.match(/remote: warning: allowing deletion of corrupt ref/g)?.length, names.length);
      assert.ok(!existsSync(here('refs/heads/garbage')) && !existsSync(here('refs/heads/gone')));
      assert.doesNotMatch(readFileSync(here('packed-refs'), 'utf8'), /gone/);
      await breakThem();
      await push(place, 0, '--atomic', ...names.map((name) => `main:refs/heads/${name}`));
      const oid = await git(['rev-parse', 'main'], { cwd: place.work });
      for (const name of names) assert.equal(await git(['rev-parse', name], { cwd: place.path }), oid);
      await fsck(place.path);
    });

    test('names in each other’s way are refused, one of them', async () => {
      const place = await bare();
      const said = await push(place, 1, 'main:old/below', 'main:new');
      assert.match(said, /refs\/heads\/old\/below\t\[remote rejected\]/);
      assert.match(
        said,
        /remote: error: cannot lock ref 'refs\/heads\/old\/below': 'refs\/heads\/old' exists; cannot create 'refs\/heads\/old\/below'/,
      );
      assert.ok(await has(place, 'refs/heads/new'));
    });

    test('a shallow history is taken where receive.shallowUpdate says so, and only then', async () => {
      const place = await bare();
      await push(place, 0, 'main');
      const other = await newWorkTree();
      for (const name of ['one', 'two', 'three']) await commitFiles(other, { [name]: name });
      const shallow = join(temporaryDirectory('shallow'), 'clone');
      await git(['clone', '--quiet', '--depth=2', `file://${other}`, shallow]);
      const from: Place = { ...place, work: shallow };
      await git(['remote', 'set-url', 'origin', place.url], { cwd: shallow });
      assert.match(await push(from, 1, 'main:shallow'), /\[remote rejected\] \(shallow update not allowed\)/);
      assert.ok(!existsSync(join(place.path, 'shallow')));
      await configure(place, ['receive.shallowUpdate', 'true'], ['receive.fsckObjects', 'true']);
      await push(from, 0, 'main:shallow');
      assert.equal(
        readFileSync(join(place.path, 'shallow'), 'utf8'),
        readFileSync(join(shallow, '.git/shallow'), 'utf8'),
      );
      await fsck(place.path);
    });

    test('a shallow clone of this repository pushes like any other', async () => {
      const place = await bare();
      await push(place, 0, 'main');
      const shallow = join(temporaryDirectory('shallow'), 'clone');
      await git(['clone', '--quiet', '--depth=1', place.url, shallow], as(place));
      await commitFiles(shallow, { more: 'more\n' });
      await push({ ...place, work: shallow }, 0, 'main', 'main:new');
      assert.ok(!existsSync(join(place.path, 'shallow')));
      await fsck(place.path);
    });

    test('objects with flaws are refused, let pass by severity, or by their name', async () => {
      const place = await bare();
      await configure(place, ['receive.fsckObjects', 'true']);
      const content = `tree ${await git(['rev-parse', 'main^{tree}'], { cwd: place.work })}\nauthor No Mail 1 +0000\ncommitter No Mail 1 +0000\n\nflawed\n`;
      const flawed = await git(['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], {
        cwd: place.work,
        input: content,
      });
      const refused = await push(place, 1, `${flawed}:refs/heads/flawed`);
      assert.match(refused, /missingEmail/);
      assert.match(refused, /\[remote rejected\] \(unpacker error\)/);
      await configure(place, ['receive.fsck.skipList', 'to-skip']);
      assert.match(
        await push(place, 1, `${flawed}:refs/heads/flawed`),
        /remote: fatal: could not open .*: to-skip/,
      );
      writeFileSync(join(place.path, 'to-skip'), `${flawed}\n`);
      await push(place, 0, `${flawed}:refs/heads/skipped`);
      await git(['config', '--unset', 'receive.fsck.skipList'], { cwd: place.path });
      await configure(place, ['receive.fsck.missingEmail', 'warn'], ['receive.fsck.whatEver', 'error']);
      await git(['update-ref', '-d', 'refs/heads/skipped'], { cwd: place.path });
      await git(['gc', '--quiet', '--prune=now'], { cwd: place.path });
      const warned = await push(place, 0, `${flawed}:refs/heads/warned`);
      assert.match(warned, /remote: warning: object [0-9a-f]+: missingEmail/);
      assert.match(warned, /remote: warning: skipping unknown msg id 'whatever'/);
      await configure(place, ['receive.fsck.unterminatedHeader', 'warn']);
      assert.match(
        await push(place, 1, 'main:new'),
        /remote: fatal: Cannot demote unterminatedheader to warn/,
      );
    });

    test('files for dumb clients are kept up to date on request', async () => {
      const place = await bare();
      await configure(place, ['receive.updateServerInfo', 'true']);
      await push(place, 0, 'main:listed');
      assert.match(readFileSync(join(place.path, 'info/refs'), 'utf8'), /refs\/heads\/listed/);
    });

    test('capabilities follow the configuration', async () => {
      const place = await bare();
      const offered = async (): Promise<string> => {
        const env = { GIT_TRACE_PACKET: '1' };
        const { stderr } = await tryGit(
          ['push', '--dry-run', 'origin', 'main'],
          as(place, { cwd: place.work, env }),
        );
        return /(?:push|git)< [0-9a-f]+ refs\/heads\/main\\0(.*)/.exec(stderr)?.[1] ?? stderr;
      };
      assert.match(
        await offered(),
        /^report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta object-format=sha1 agent=/,
      );
      await configure(
        place,
        ['receive.advertiseAtomic', 'false'],
        ['receive.advertisePushOptions', 'true'],
        ['receive.certNonceSeed', 'sshhh'],
        ['transfer.advertiseSID', 'true'],
      );
      assert.match(
        await offered(),
        /^report-status report-status-v2 delete-refs side-band-64k quiet ofs-delta push-cert=\d+-[0-9a-f]{40} push-options session-id=\S+ object-format=sha1 agent=/,
      );
    });

    test('a lease on a ref that was never seen is kept', async () => {
      const place = await bare();
      await push(place, 0, `--force-with-lease=refs/heads/born:${zero}`, 'main:born');
      const said = await push(place, 1, `--force-with-lease=refs/heads/born:${zero}`, 'main~1:born');
      assert.match(said, /\[rejected\] \(stale info\)/);
    });
  });
}

test('who pushes waits for git gc where gc.autoDetach is false', async () => {
  await using scene = await RootScene.start();
  const path = await scene.create();
  const remote = await scene.remote({ name: 'ssh' }, path);
  const work = await newWorkTree();
  for (const [key, value] of [
    ['gc.autoPackLimit', '1'],
    ['gc.autoDetach', 'false'],
    ['gc.auto', '6700'],
  ] as const)
    await git(['config', key, value], { cwd: path });
  const packs = (): number =>
    readdirSync(join(path, 'objects/pack')).filter((name) => name.endsWith('.pack')).length;
  await git(['push', '--quiet', remote.url, 'main'], as(remote, { cwd: work }));
  assert.equal(packs(), 1);
  await commitFiles(work, { more: 'more' });
  await git(['push', '--quiet', remote.url, 'main'], as(remote, { cwd: work }));
  assert.equal(packs(), 1);
  // What gc has to say is shown.
  await commitFiles(work, { most: 'most' });
  await git(['config', 'gc.pruneExpire', 'garbage'], { cwd: path });
  const { stderr } = await tryGit(['push', remote.url, 'main'], as(remote, { cwd: work }));
  assert.match(stderr, /remote: .*gc\.pruneexpire/i);
  assert.equal(packs(), 2);
});
