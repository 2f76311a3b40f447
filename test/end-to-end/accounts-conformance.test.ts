import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, doors, type Remote } from '#test/doors';
import { commitFiles, fsck, git, gitFails, newWorkTree, refsOf, tryGit } from '#test/git';
import { packOf } from '#test/pack-writer';
import { packets, uploadPackV2 } from '#test/raw-git';
import { rawRequest } from '#test/raw-request';
import { temporaryDirectory } from '#test/temporary';
import {
  advertised,
  clone,
  everyFilter,
  generated,
  objectsIn,
  Scene,
  type Served,
  shallowFile,
  traced,
} from './scene.ts';

/**
 * A server with accounts answers real git as git itself does: what is done through each door is done
 * to a plain repository on the disk as well, which allows the same, and both come out alike.
 */

let scene: Scene;
let source: string;

before(async () => {
  [scene, source] = await Promise.all([Scene.start(), generated()]);
});
after(() => scene[Symbol.asyncDispose]());

/** A copy of `from` that git alone serves, with what a repository of ours allows. */
async function plainCopy(from: string): Promise<Remote> {
  const path = join(temporaryDirectory('plain'), 'plain.git');
  await git(['clone', '--quiet', '--mirror', from, path]);
  for (const key of ['allowFilter', 'allowAnySHA1InWant'])
    await git(['config', `uploadpack.${key}`, 'true'], { cwd: path });
  return { url: `file://${path}`, env: {} };
}

for (const door of doors) {
  describe(`a server with accounts over ${door.name}`, () => {
    /** The same history on the server, and where git alone serves it. */
    const both = async (from = source): Promise<{ readonly served: Served; readonly plain: Remote }> => {
      const [served, plain] = await Promise.all([scene.filled(door, from), plainCopy(from)]);
      return { served, plain };
    };
    const push = (served: Served, cwd: string, ...args: readonly string[]): Promise<string> =>
      git(['push', '--porcelain', served.url, ...args], as(served, { cwd }));

    test('every filter leaves out what git leaves out, and the rest is fetched when it is needed', async () => {
      const work = await newWorkTree();
      await git(['fetch', '--quiet', source, 'main'], { cwd: work });
      await git(['reset', '--quiet', '--hard', 'FETCH_HEAD'], { cwd: work });
      await commitFiles(work, { 'dir/in.txt': 'in\n', 'out.txt': 'out\n', sparse: 'dir/\n' });
      const { served, plain } = await both(work);
      const sparse = await git(['rev-parse', 'main:sparse'], { cwd: work });
      for (const filter of everyFilter(sparse)) {
        const partial = ['--bare', `--filter=${filter}`, '--no-local'];
        const [ours, theirs] = await Promise.all([clone(served, ...partial), clone(plain, ...partial)]);
        assert.equal(await objectsIn(ours), await objectsIn(theirs), filter);
      }
      const expected = await git(['log', '-p', '-3', '--format=%s', 'main'], { cwd: work });
      for (const filter of ['blob:none', 'tree:0']) {
        const lazy = await clone(served, `--filter=${filter}`);
        assert.equal(
          await git(['log', '-p', '-3', '--format=%s', 'main'], as(served, { cwd: lazy })),
          expected,
        );
        await git(['fetch', '--quiet', '--refetch', '--no-filter', 'origin'], as(served, { cwd: lazy }));
        assert.ok((await objectsIn(lazy)).includes(sparse));
      }
    });

    for (const version of ['0', '1', '2']) {
      test(`a history is cut, deepened and completed as git does it in version ${version}`, async () => {
        const old = join(temporaryDirectory('cut'), 'cut.git');
        await git(['clone', '--quiet', '--mirror', source, old]);
        await git(['tag', 'cut', 'main~20'], { cwd: old });
        const { served, plain } = await both(old);
        const times = (await git(['log', '--first-parent', '--format=%ct', 'main'], { cwd: old })).split(
          '\n',
        );
        const since = Number(times[Math.floor(times.length / 2)]);
        const first = ['--bare', '--depth=1', '--branch=main', '--single-branch', '--no-tags'];
        const protocol = ['-c', `protocol.version=${version}`];
        const [ours, theirs] = await Promise.all([clone(served, ...first), clone(plain, ...first)]);
        for (const step of [
          '--depth=3',
          '--deepen=2',
          '--shallow-exclude=cut',
          '--deepen=1',
          '--unshallow',
          `--shallow-since=${since}`,
          '--depth=2147483647',
        ]) {
          const fetch = [...protocol, 'fetch', '--quiet', '--no-tags', step, 'origin', 'main'];
          await git(fetch, as(served, { cwd: ours }));
          await git(fetch, { cwd: theirs });
          assert.equal(shallowFile(ours), shallowFile(theirs), step);
        }
        assert.equal(
          await git(['rev-list', 'FETCH_HEAD'], { cwd: ours }),
          await git(['rev-list', 'main'], { cwd: old }),
        );
        await fsck(ours);
      });

      test(`tags of tags, odd names and what is replaced are what git shows and sends in version ${version}`, async () => {
        const odd = join(temporaryDirectory('odd'), 'odd.git');
        const here = { cwd: odd };
        await git(['clone', '--quiet', '--mirror', source, odd]);
        await git(['tag', '-a', '-m', 'one', 'nest-1', 'main'], here);
        await git(['tag', '-a', '-m', 'two', 'nest-2', 'nest-1'], here);
        await git(['tag', '-a', '-m', 'three', 'nest-3', 'nest-2'], here);
        await git(['tag', 'to-tree', 'main^{tree}'], here);
        for (const name of ['heads/ünï/€/𝄞', 'heads/-dash', 'heads/a+b=c', 'heads/@', 'x/HEAD'])
          await git(['update-ref', `refs/${name}`, 'main~2'], here);
        await git(['update-ref', `refs/replace/${await git(['rev-parse', 'main'], here)}`, 'main~1'], here);
        const { served, plain } = await both(odd);
        const list = ['-c', `protocol.version=${version}`, 'ls-remote', '--symref'];
        assert.equal(await git([...list, served.url], as(served)), await git([...list, plain.url]));
        const mirror = await clone(served, '-c', `protocol.version=${version}`, '--mirror');
        assert.equal(await refsOf(mirror), await refsOf(odd));
        await fsck(mirror);
        const work = await clone(served, '--no-tags', '-c', `protocol.version=${version}`);
        const real = { cwd: odd, env: { GIT_NO_REPLACE_OBJECTS: '1' } };
        assert.equal(
          await git(['rev-list', '--all', '--count', '--remotes'], { cwd: work }),
          await git(['rev-list', '--count', '--branches'], real),
        );
      });
    }

    test('20,000 refs are pushed at once, listed, and fetched in every version', async () => {
      const work = await newWorkTree();
      const names = Array.from({ length: 20_000 }, (_, index) => `refs/many/${index % 100}/ref-${index}`);
      const creations = names.map((name) => `create ${name} HEAD\n`).join('');
      await git(['update-ref', '--stdin'], { cwd: work, input: creations });
      await git(['pack-refs', '--all'], { cwd: work });
      const { name, ...pushed } = await scene.empty(door);
      if (door.name === 'ssh') {
        const refspecs = ['main', 'refs/many/*:refs/many/*'];
        await git(['push', '--quiet', '--atomic', pushed.url, ...refspecs], as(pushed, { cwd: work }));
      } else {
        // Git's own client compares every ref with every other one here, for minutes.
        await git(['push', '--quiet', pushed.url, 'main'], as(pushed, { cwd: work }));
        const oid = await git(['rev-parse', 'main'], { cwd: work });
        const [first = '', ...rest] = names.map((ref) => `${'0'.repeat(40)} ${oid} ${ref}`);
        const commands = packets(`${first}\0report-status atomic`, ...rest, '0000');
        const body = Buffer.concat([commands, packOf([])]);
        const answer = await rawRequest(pushed, { service: 'git-receive-pack', version: 0, body });
        assert.equal(answer.match(/ok refs\/many\//g)?.length, names.length, answer.slice(0, 500));
      }
      const served = await door.remote(scene.packhorse, scene.owner, `${name}.git`);
      const expected = await git(['ls-remote', work]);
      assert.equal(expected.split('\n').length, names.length + 2);
      for (const version of ['0', '1', '2']) {
        const protocol = ['-c', `protocol.version=${version}`];
        assert.equal(await git([...protocol, 'ls-remote', served.url], as(served)), expected);
        const mirror = await clone(served, ...protocol, '--mirror');
        assert.equal(await refsOf(mirror), await refsOf(work));
      }
    });

    test('what a repository borrows is not sent to it again, and need not be sent with what builds on it', async () => {
      const lender = await scene.filled(door, source);
      const borrower = await scene.empty(door);
      const [from, to] = await Promise.all(
        [lender, borrower].map(({ name }) => scene.packhorse.repositoryPath(name)),
      );
      writeFileSync(join(to ?? '', 'objects/info/alternates'), `${from}/objects\n`);
      const work = await clone(lender);
      const tip = await git(['rev-parse', 'main'], { cwd: work });
      const oid = await commitFiles(work, { 'own.txt': 'own\n' });
      const lines = await traced(['push', borrower.url, 'main'], borrower, work);
      assert.ok(
        lines.some((line) => line.includes(`< ${tip} .have`)),
        'it says what it borrows',
      );
      const packs = readdirSync(join(to ?? '', 'objects'), { recursive: true, encoding: 'utf8' });
      assert.ok(!packs.some((path) => path.includes(tip.slice(2))), 'nothing of it was stored');
      const whole = await clone(borrower);
      assert.equal(await git(['rev-parse', 'HEAD'], { cwd: whole }), oid);
      await fsck(whole);
    });

    test('a shallow clone is fetched into, deepened by somebody else’s push, and pushes again', async () => {
      const served = await scene.filled(door, source);
      const shallow = await clone(served, '--depth=2');
      const writer = await clone(served);
      await commitFiles(writer, { 'theirs.txt': '1\n' });
      await push(served, writer, 'main');
      await git(['pull', '--quiet', '--ff-only'], as(served, { cwd: shallow }));
      assert.equal(await git(['rev-list', '--count', 'HEAD'], { cwd: shallow }), '3');
      const oid = await commitFiles(shallow, { 'ours.txt': '1\n' });
      await push(served, shallow, 'main', 'main:refs/heads/from/shallow');
      await git(['fetch', '--quiet', '--unshallow'], as(served, { cwd: shallow }));
      await fsck(shallow);
      const whole = await clone(served, '--mirror');
      assert.equal(await git(['rev-parse', 'refs/heads/from/shallow'], { cwd: whole }), oid);
      await fsck(whole);
    });

    test('what is common is found without fetching, and refs are wanted by name', async () => {
      const { served, plain } = await both();
      const work = await clone(served);
      await commitFiles(work, { 'not-there.txt': '1\n' });
      const negotiate = ['fetch', '--quiet', '--negotiate-only', '--negotiation-tip=main'];
      const common = await git([...negotiate, served.url], as(served, { cwd: work }));
      assert.equal(common, await git([...negotiate, plain.url], { cwd: work }));
      assert.ok(common.includes(await git(['rev-parse', 'main~1'], { cwd: work })));
      assert.ok(!common.includes(await git(['rev-parse', 'main'], { cwd: work })));
      await push(served, work, 'main:refs/heads/new');
      const other = await clone(plain);
      const lines = await traced(['fetch', served.url, 'refs/heads/new:refs/heads/new'], served, other);
      assert.ok(lines.some((line) => /> want-ref refs\/heads\/new/.test(line)));
      assert.equal(
        await git(['rev-parse', 'new'], { cwd: other }),
        await git(['rev-parse', 'main'], { cwd: work }),
      );
      const unknown = ['command=fetch', '0001', 'want-ref refs/heads/none', 'done', '0000'];
      assert.deepEqual(await uploadPackV2(served, ...unknown), ['ERR unknown ref refs/heads/none']);
    });

    test('sizes are told without objects, and the capabilities are those of a hosting service', async () => {
      const served = await scene.filled(door, source);
      const blob = (await git(['ls-tree', '-r', 'main'], { cwd: source })).split('\n')[0]?.split(/[ \t]/)[2];
      const size = await git(['cat-file', '-s', blob ?? ''], { cwd: source });
      assert.deepEqual(
        await uploadPackV2(served, 'command=object-info', '0001', 'size', `oid ${blob}`, '0000'),
        ['size', `${blob} ${size}`, '0000'],
      );
      const hello = await uploadPackV2(served);
      for (const line of [
        'ls-refs=unborn',
        'object-format=sha1',
        'object-info=size',
        'server-option',
        'bundle-uri',
      ])
        assert.ok(hello.includes(line), `${line}: ${hello.join(' ')}`);
      const fetch = hello.find((line) => line.startsWith('fetch='))?.slice('fetch='.length) ?? '';
      for (const feature of ['shallow', 'wait-for-done', 'filter', 'ref-in-want'])
        assert.ok(fetch.split(' ').includes(feature), `${feature}: ${fetch}`);
    });

    test('an unborn branch keeps its name in every clone, whatever the client would call it', async () => {
      const served = await scene.empty(door);
      const path = await clone(served, '-c', 'init.defaultBranch=ours', '-c', 'protocol.version=2');
      assert.equal(await git(['symbolic-ref', 'HEAD'], { cwd: path }), 'refs/heads/main');
      for (const version of [0, 1, 2]) {
        const list = ['-c', `protocol.version=${version}`, 'ls-remote', served.url];
        assert.equal(await git(list, as(served)), '');
      }
      await commitFiles(path, { a: '1\n' });
      await push(served, path, 'HEAD:refs/heads/side/only', 'HEAD:refs/heads/main');
      const remote = await git(['ls-remote', '--symref', served.url, 'HEAD'], as(served));
      assert.match(remote, /^ref: refs\/heads\/main\tHEAD$/m);
    });

    test('a thin pack and the tags of what it brings are fetched, with and without offsets', async () => {
      for (const offsets of ['true', 'false']) {
        const served = await scene.filled(door, source);
        const [reader, writer] = await Promise.all([clone(served), clone(served)]);
        const file = 'thin.txt';
        const lines = Array.from({ length: 200 }, (_, index) => `line ${index} of ${offsets}\n`).join('');
        await commitFiles(writer, { [file]: lines });
        await push(served, writer, 'main');
        await git(['pull', '--quiet'], as(served, { cwd: reader }));
        await commitFiles(writer, { [file]: `${lines}more\n` });
        await git(['tag', '-a', '-m', 'included', 'included'], { cwd: writer });
        await push(served, writer, 'main', 'included');
        const options = ['-c', 'fetch.unpackLimit=1', '-c', `repack.useDeltaBaseOffset=${offsets}`];
        const result = await tryGit([...options, 'fetch', '--progress'], as(served, { cwd: reader }));
        assert.equal(result.code, 0, result.stderr);
        assert.match(result.stderr, /completed with \d+ local object/);
        assert.match(result.stderr, /\[new tag\] +included/);
        await fsck(reader);
      }
    });

    test('a quiet fetch hears nothing, and one with progress hears how it goes', async () => {
      const served = await scene.filled(door, source);
      const target = (): string => join(temporaryDirectory('clone'), 'clone');
      const quiet = await tryGit(['clone', '--quiet', served.url, target()], as(served));
      assert.equal(`${quiet.code} ${quiet.stderr}`, '0 ');
      const loud = await tryGit(['clone', '--progress', served.url, target()], as(served));
      assert.match(loud.stderr, /remote: Total \d+/);
    });

    test('a SHA-256 repository is pushed, listed, cloned, cut and filtered, and refuses SHA-1', async () => {
      const work = join(temporaryDirectory('sha256'), 'work');
      await git(['init', '--quiet', '--object-format=sha256', work]);
      for (const name of ['one', 'two', 'three']) await commitFiles(work, { [name]: name });
      await git(['tag', '-a', '-m', 'one', 'v1'], { cwd: work });
      await git(['tag', '-a', '-m', 'two', 'v2', 'v1'], { cwd: work });
      const served = await scene.empty(door, { objectFormat: 'sha256' });
      await push(served, work, '--atomic', 'main', 'v1', 'v2', 'main~1:refs/heads/back');
      for (const version of ['0', '1', '2']) {
        const protocol = ['-c', `protocol.version=${version}`];
        assert.equal(
          await git([...protocol, 'ls-remote', '--tags', served.url], as(served)),
          await git(['ls-remote', '--tags', work]),
        );
        const path = await clone(served, ...protocol);
        assert.equal(
          await git(['rev-parse', 'HEAD'], { cwd: path }),
          await git(['rev-parse', 'main'], { cwd: work }),
        );
        await fsck(path);
        const shallow = await clone(served, ...protocol, '--depth=1');
        assert.equal(await git(['rev-list', '--count', 'HEAD'], { cwd: shallow }), '1');
        const partial = await clone(served, ...protocol, '--filter=blob:none');
        const oid = await commitFiles(partial, { [`version-${version}`]: version });
        await push(served, partial, `main:refs/heads/version-${version}`);
        const listed = await git(['ls-remote', served.url, `refs/heads/version-${version}`], as(served));
        assert.equal(listed.split('\t')[0], oid);
      }
      await push(served, work, '--delete', 'back', 'v2');
      const other = await newWorkTree();
      const said = await gitFails(['push', served.url, 'main:refs/heads/other'], as(served, { cwd: other }));
      assert.match(said, /algorithm|object format/i);
      await fsck(await scene.packhorse.repositoryPath(served.name));
    });

    test('names in each other’s way are refused, one of them, whichever was first', async () => {
      const served = await scene.filled(door, source);
      for (const [first, second] of [
        ['refs/heads/d', 'refs/heads/d/f'],
        ['refs/tags/d/f', 'refs/tags/d'],
      ] as const) {
        await push(served, source, `main:${first}`);
        const before = await advertised(served);
        const said = await gitFails(
          ['push', '--porcelain', served.url, `main:${second}`],
          as(served, { cwd: source }),
        );
        assert.match(said, /\[remote rejected\]/);
        assert.equal(await advertised(served), before);
        // One push takes the one away and brings the other.
        await push(served, source, `:${first}`);
        await push(served, source, `main:${second}`);
      }
      const bare = await scene.packhorse.repositoryPath(served.name);
      await fsck(bare);
      assert.equal(
        readdirSync(bare, { recursive: true, encoding: 'utf8' }).some((path) => path.endsWith('.lock')),
        false,
      );
    });
  });
}
