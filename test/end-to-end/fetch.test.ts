import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, doors } from '#test/doors';
import { commitFiles, fsck, git, gitFails, refsOf, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { advertised, clone, generated, Scene, traced, type Served } from './scene.ts';

let scene: Scene;
let source: string;

before(async () => {
  [scene, source] = await Promise.all([Scene.start(), generated()]);
});
after(() => scene[Symbol.asyncDispose]());

/** How many objects a fetch said it received. */
async function fetchedObjects(args: readonly string[], served: Served, cwd: string): Promise<number> {
  const result = await tryGit(['fetch', '--progress', ...args], as(served, { cwd }));
  assert.equal(result.code, 0, result.stderr);
  return Number(/remote: Total (\d+)/.exec(result.stderr)?.[1] ?? 0);
}

for (const door of doors) {
  describe(`fetching over ${door.name}`, () => {
    let served: Served;
    before(async () => {
      served = await scene.filled(door, source);
    });

    test('an empty repository is cloned onto the default branch of the server', async () => {
      const empty = await scene.empty(door);
      const path = join(temporaryDirectory('clone'), 'clone');
      const result = await tryGit(['clone', empty.url, path], as(empty));
      assert.equal(result.code, 0, result.stderr);
      assert.match(result.stderr, /warning: You appear to have cloned an empty repository\./);
      assert.equal(await git(['symbolic-ref', 'HEAD'], { cwd: path }), 'refs/heads/main');
    });

    for (const version of [0, 1, 2]) {
      test(`protocol version ${version} is spoken when asked for, and a mirror has every ref and object`, async () => {
        const path = join(temporaryDirectory('mirror'), 'mirror.git');
        const protocol = ['-c', `protocol.version=${version}`];
        const packets = await traced([...protocol, 'clone', '--mirror', served.url, path], served);
        assert.equal(
          packets.some((line) => /< version 2/.test(line)),
          version === 2,
        );
        assert.equal(
          packets.some((line) => /< version 1/.test(line)),
          version === 1,
        );
        assert.equal(await refsOf(path), await refsOf(source));
        await fsck(path);
      });

      test(`a new commit is fetched alone in version ${version}, and then nothing more`, async () => {
        const fresh = await scene.filled(door, source);
        const path = await clone(fresh);
        const writer = await clone(fresh);
        await commitFiles(writer, { 'new/file.txt': 'new\n' });
        await git(['push', '--quiet', 'origin', 'main'], as(fresh, { cwd: writer }));

        const protocol = ['-c', `protocol.version=${version}`];
        const result = await tryGit([...protocol, 'fetch', '--progress'], as(fresh, { cwd: path }));
        assert.equal(result.code, 0, result.stderr);
        assert.equal(/remote: Total (\d+)/.exec(result.stderr)?.[1], '4');
        assert.equal(
          await git(['rev-parse', 'origin/main'], { cwd: path }),
          await git(['rev-parse', 'main'], { cwd: writer }),
        );

        const packets = await traced([...protocol, 'fetch'], fresh, path);
        assert.ok(packets.length > 0);
        assert.deepEqual(
          packets.filter((line) => /> (want|have|command=fetch)/.test(line)),
          [],
        );
      });

      test(`histories that diverged long ago are negotiated in many rounds in version ${version}`, async () => {
        const fresh = await scene.filled(door, source);
        const path = await clone(fresh);
        const writer = await clone(fresh);
        await manyCommits(path, 700, 'client');
        const tip = await manyCommits(writer, 200, 'server');
        await git(['push', '--quiet', 'origin', 'main'], as(fresh, { cwd: writer }));
        const before = Number(await git(['rev-list', '--count', '--all'], { cwd: path }));

        const options = ['-c', `protocol.version=${version}`, '-c', 'fetch.negotiationAlgorithm=consecutive'];
        const packets = await traced([...options, 'fetch', '--progress'], fresh, path);
        const haves = packets.filter((line) => /> have /.test(line));
        assert.ok(haves.length > 256, `only ${haves.length} haves: that was no long negotiation`);
        assert.equal(await git(['rev-parse', 'origin/main'], { cwd: path }), tip);
        assert.equal(Number(await git(['rev-list', '--count', '--all'], { cwd: path })), before + 200);
        await fsck(path);
      });
    }

    test('tags of fetched commits come along, others stay away', async () => {
      const fresh = await scene.empty(door);
      const work = await clone(fresh);
      await commitFiles(work, { a: '1\n' });
      await git(['push', '--quiet', 'origin', 'main'], as(fresh, { cwd: work }));
      const path = await clone(fresh, '--single-branch');
      await git(['checkout', '--quiet', '-b', 'side'], { cwd: work });
      await commitFiles(work, { b: '1\n' });
      await git(['tag', '--annotate', '--message', 'aside', 'v-side'], { cwd: work });
      await git(['checkout', '--quiet', 'main'], { cwd: work });
      await commitFiles(work, { a: '2\n' });
      await git(['tag', '--annotate', '--message', 'one', 'v1'], { cwd: work });
      await git(['push', '--quiet', 'origin', '--all'], as(fresh, { cwd: work }));
      await git(['push', '--quiet', 'origin', '--tags'], as(fresh, { cwd: work }));
      await git(['fetch', '--quiet'], as(fresh, { cwd: path }));
      assert.equal(await git(['tag', '--list'], { cwd: path }), 'v1');
    });

    test('a shallow clone has one commit, is deepened step by step, and becomes complete', async () => {
      const path = await clone(served, '--depth=1', '--no-single-branch');
      const count = async (): Promise<number> =>
        Number(await git(['rev-list', '--count', 'HEAD'], { cwd: path }));
      assert.equal(await count(), 1);
      const expectedAt = async (depth: number): Promise<string> => {
        const reference = join(temporaryDirectory('reference'), 'reference');
        const options = ['--no-single-branch', `--depth=${depth}`];
        await git(['clone', '--quiet', ...options, `file://${source}`, reference]);
        return git(['rev-list', 'HEAD'], { cwd: reference });
      };
      await git(['fetch', '--quiet', '--depth=5'], as(served, { cwd: path }));
      assert.equal(await git(['rev-list', 'HEAD'], { cwd: path }), await expectedAt(5));
      await git(['fetch', '--quiet', '--deepen=4'], as(served, { cwd: path }));
      assert.equal(await git(['rev-list', 'HEAD'], { cwd: path }), await expectedAt(9));
      await fsck(path);
      await git(['fetch', '--quiet', '--unshallow'], as(served, { cwd: path }));
      assert.equal(await git(['rev-parse', '--is-shallow-repository'], { cwd: path }), 'false');
      assert.equal(
        await git(['rev-list', 'HEAD'], { cwd: path }),
        await git(['rev-list', 'main'], { cwd: source }),
      );
      await fsck(path);
    });

    for (const version of [0, 2]) {
      test(`history is cut off at a date or at a ref in version ${version}`, async () => {
        const middle = await git(['rev-list', '--first-parent', '--skip=20', '-n', '1', 'main'], {
          cwd: source,
        });
        const tagged = await scene.filled(door, source);
        await git(['push', '--quiet', tagged.url, `${middle}:refs/heads/old`], as(tagged, { cwd: source }));
        const seconds = await git(['log', '-1', '--format=%ct', middle], { cwd: source });
        for (const cut of [`--shallow-since=@${seconds}`, '--shallow-exclude=old']) {
          const protocol = ['-c', `protocol.version=${version}`];
          const path = join(temporaryDirectory('clone'), 'clone');
          await git([...protocol, 'clone', '--quiet', cut, '--branch', 'main', tagged.url, path], as(tagged));
          const reference = join(temporaryDirectory('reference'), 'reference');
          const local = await localCopy(source, middle);
          await git(['clone', '--quiet', cut, '--branch', 'main', `file://${local}`, reference]);
          assert.equal(
            await git(['rev-list', 'HEAD'], { cwd: path }),
            await git(['rev-list', 'HEAD'], { cwd: reference }),
            cut,
          );
          await fsck(path);
        }
      });
    }

    test('a shallow clone pushes, and the server has the whole history', async () => {
      const fresh = await scene.filled(door, source);
      const path = await clone(fresh, '--depth=1');
      const oid = await commitFiles(path, { 'from-shallow.txt': 'x\n' });
      await git(['push', '--quiet', 'origin', 'main'], as(fresh, { cwd: path }));
      const whole = await clone(fresh);
      assert.equal(await git(['rev-parse', 'HEAD'], { cwd: whole }), oid);
      assert.equal(await git(['rev-parse', '--is-shallow-repository'], { cwd: whole }), 'false');
      await fsck(whole);
    });

    test('a clone without blobs gets them when they are needed', async () => {
      const path = await clone(served, '--filter=blob:none', '--no-checkout');
      assert.ok((await missing(path)) > 40, 'the clone was not partial');
      await git(['checkout', '--quiet', 'main'], as(served, { cwd: path }));
      const file = (await git(['ls-tree', '-r', '--name-only', 'HEAD'], { cwd: path })).split('\n')[0] ?? '';
      await git(['log', '--quiet', '-p', '--', file], as(served, { cwd: path }));
      assert.equal(await git(['status', '--porcelain'], as(served, { cwd: path })), '');
      assert.equal(
        await git(['rev-parse', 'HEAD^{tree}'], { cwd: path }),
        await git(['rev-parse', 'main^{tree}'], { cwd: source }),
      );
    });

    for (const filter of ['tree:0', 'blob:limit=1k', 'combine:blob:none+tree:3']) {
      test(`a clone with filter ${filter} leaves out what it says`, async () => {
        const path = await clone(served, `--filter=${filter}`, '--no-checkout');
        const left = await missing(path);
        const reference = join(temporaryDirectory('reference'), 'reference');
        await git(['config', 'uploadpack.allowFilter', 'true'], { cwd: source });
        await git(['clone', '--quiet', '--no-checkout', `--filter=${filter}`, `file://${source}`, reference]);
        assert.equal(left, await missing(reference));
        assert.ok(left > 0);
      });
    }

    test('one branch, one tag, and a commit by its id are fetched on their own', async () => {
      const branch = await clone(served, '--single-branch', '--branch', 'odd-names');
      assert.equal(
        await git(['for-each-ref', '--format=%(refname)', 'refs/remotes'], { cwd: branch }),
        'refs/remotes/origin/odd-names',
      );
      const tag = (await git(['tag', '--list', 'v*'], { cwd: source })).split('\n')[0] ?? '';
      const atTag = await clone(served, '--single-branch', '--branch', tag);
      assert.equal(
        await git(['rev-parse', 'HEAD'], { cwd: atTag }),
        await git(['rev-parse', `${tag}^{commit}`], { cwd: source }),
      );
      const oid = await git(['rev-parse', 'main~7'], { cwd: source });
      const target = join(temporaryDirectory('by-id'), 'by-id');
      await git(['init', '--quiet', target]);
      await git(['fetch', '--quiet', served.url, oid], as(served, { cwd: target }));
      assert.equal(await git(['rev-parse', 'FETCH_HEAD'], { cwd: target }), oid);
    });

    test('an object that is not there is refused by name', async () => {
      const target = join(temporaryDirectory('by-id'), 'by-id');
      await git(['init', '--quiet', target]);
      const oid = 'deadbeef'.repeat(5);
      const said = await gitFails(['fetch', served.url, oid], as(served, { cwd: target }));
      assert.match(said, new RegExp(`upload-pack: not our ref ${oid}`));
    });

    test('ls-remote shows symbolic refs, heads, tags and patterns as git itself does', async () => {
      for (const args of [
        [],
        ['--symref'],
        ['--heads'],
        ['--tags'],
        ['--refs'],
        ['--symref', 'HEAD', 'refs/tags/v*'],
      ]) {
        const [options, patterns] = [
          args.filter((arg) => arg.startsWith('--')),
          args.filter((arg) => !arg.startsWith('--')),
        ];
        assert.equal(
          await git(['ls-remote', ...options, served.url, ...patterns], as(served)),
          await git(['ls-remote', ...options, source, ...patterns]),
          args.join(' '),
        );
      }
    });

    test('eight clones at once are all complete', async () => {
      const clones = await Promise.all(Array.from({ length: 8 }, () => clone(served, '--mirror')));
      const expected = await refsOf(source);
      for (const path of clones) {
        assert.equal(await refsOf(path), expected);
        await fsck(path);
      }
    });

    test('a repository is mirrored to another one and the two advertise the same', async () => {
      const mirror = await clone(served, '--mirror');
      const other = await scene.filled(door, mirror);
      assert.equal(await advertised(other), await advertised(served));
      assert.ok((await fetchedObjects(['--refetch'], served, mirror)) > 1000);
      assert.deepEqual(readdirSync(mirror).includes('shallow'), false);
    });
  });
}

/** Appends commits that change nothing, quickly; returns the last one's id. */
async function manyCommits(workTree: string, count: number, message: string): Promise<string> {
  const commits = Array.from({ length: count }, (_, index) => {
    const text = `${message} ${index}\n`;
    const from = index === 0 ? 'from refs/heads/main^0\n' : '';
    const committer = `committer C <c@example.org> ${1_700_000_000 + index} +0000\n`;
    return `commit refs/heads/main\n${committer}data ${text.length}\n${text}${from}\n`;
  });
  await git(['fast-import', '--quiet'], { cwd: workTree, input: commits.join('') });
  return git(['rev-parse', 'refs/heads/main'], { cwd: workTree });
}

/** How many objects a partial clone knows of without having them. */
async function missing(path: string): Promise<number> {
  const objects = await git(['rev-list', '--objects', '--all', '--missing=print'], { cwd: path });
  return objects.split('\n').filter((line) => line.startsWith('?')).length;
}

/** A copy of the source with one more branch, to compare with. */
async function localCopy(source: string, oldOid: string): Promise<string> {
  const path = join(temporaryDirectory('copy'), 'copy.git');
  await git(['clone', '--quiet', '--mirror', source, path]);
  await git(['update-ref', 'refs/heads/old', oldOid], { cwd: path });
  return path;
}
