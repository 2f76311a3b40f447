import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { as, doors, type Door } from '#test/doors';
import { commitFiles, fsck, git, gitFails, newWorkTree, refsOf, tryGit } from '#test/git';
import { advertised, clone, generated, Scene, type Served } from './scene.ts';

let scene: Scene;
let source: string;

before(async () => {
  [scene, source] = await Promise.all([Scene.start(), generated()]);
});
after(() => scene[Symbol.asyncDispose]());

interface Working extends Served {
  readonly workTree: string;
}

/** A repository on the server with one commit on `main`, and the work tree that it came from. */
async function working(door: Door): Promise<Working> {
  const served = await scene.empty(door);
  const workTree = await newWorkTree();
  await git(['remote', 'add', 'origin', served.url], { cwd: workTree });
  await git(['push', '--quiet', 'origin', 'main'], as(served, { cwd: workTree }));
  return { ...served, workTree };
}

async function tip(remote: Served, ref: string): Promise<string | undefined> {
  const found = await git(['ls-remote', remote.url, ref], as(remote));
  return found === '' ? undefined : found.split('\t')[0];
}

for (const door of doors) {
  describe(`pushing over ${door.name}`, () => {
    const push = (from: Working, ...args: readonly string[]): Promise<string> =>
      git(['push', '--porcelain', ...args], as(from, { cwd: from.workTree }));
    const pushFails = (from: Working, ...args: readonly string[]): Promise<string> =>
      gitFails(['push', '--porcelain', ...args], as(from, { cwd: from.workTree }));

    test('a branch is created, updated, and deleted', async () => {
      const place = await working(door);
      const { workTree } = place;
      assert.match(
        await push(place, 'origin', 'main:topic'),
        /\*\trefs\/heads\/main:refs\/heads\/topic\t\[new branch\]/,
      );
      const oid = await commitFiles(workTree, { a: '1\n' });
      assert.match(
        await push(place, 'origin', 'main:topic'),
        / \trefs\/heads\/main:refs\/heads\/topic\t\w+\.\.\w+/,
      );
      assert.equal(await tip(place, 'refs/heads/topic'), oid);
      assert.match(await push(place, 'origin', ':topic'), /-\t:refs\/heads\/topic\t\[deleted\]/);
      assert.equal(await tip(place, 'refs/heads/topic'), undefined);
    });

    test('the first branch becomes the default one, whatever its name', async () => {
      const workTree = await newWorkTree();
      for (const [branches, expected] of [
        [['master', 'another'], 'refs/heads/master'],
        [['only/topic'], 'refs/heads/only/topic'],
        [['main', 'alpha'], 'refs/heads/main'],
      ] as const) {
        const served = await scene.empty(door);
        const refspecs = branches.map((branch) => `main:refs/heads/${branch}`);
        await git(['push', '--quiet', served.url, ...refspecs], as(served, { cwd: workTree }));
        await git(['push', '--quiet', served.url, 'main:refs/heads/aaa'], as(served, { cwd: workTree }));
        const path = await clone(served);
        assert.equal(await git(['symbolic-ref', 'HEAD'], { cwd: path }), expected);
        assert.match(await git(['ls-files'], { cwd: path }), /README\.md/);
      }
    });

    test('a push of what is already there says so and changes nothing', async () => {
      const place = await working(door);
      assert.match(
        await push(place, 'origin', 'main'),
        /=\trefs\/heads\/main:refs\/heads\/main\t\[up to date\]/,
      );
    });

    test('history is rewritten with force, and not without', async () => {
      const place = await working(door);
      await commitFiles(place.workTree, { a: '1\n' });
      await push(place, 'origin', 'main');
      await git(['reset', '--quiet', '--hard', 'HEAD~1'], { cwd: place.workTree });
      const oid = await commitFiles(place.workTree, { b: '2\n' });
      assert.match(await pushFails(place, 'origin', 'main'), /\[rejected\] \(non-fast-forward\)/);
      assert.match(await push(place, '--force', 'origin', 'main'), /\(forced update\)/);
      assert.equal(await tip(place, 'refs/heads/main'), oid);
    });

    test('tags of every kind are pushed, moved and deleted', async () => {
      const place = await working(door);
      const { workTree } = place;
      await git(['tag', 'light'], { cwd: workTree });
      await git(['tag', '-a', '-m', 'one', 'v1'], { cwd: workTree });
      await git(['tag', '-a', '-m', 'tag of a tag', 'v1-approved', 'v1'], { cwd: workTree });
      await git(['tag', '-a', '-m', 'a blob', 'readme', 'HEAD:README.md'], { cwd: workTree });
      await git(['tag', 'tree', 'HEAD^{tree}'], { cwd: workTree });
      await push(place, 'origin', '--tags');
      assert.equal(
        await git(['ls-remote', '--tags', place.url], as(place)),
        await git(['ls-remote', '--tags', workTree]),
      );
      await commitFiles(workTree, { a: '1\n' });
      await git(['tag', '--force', 'light'], { cwd: workTree });
      assert.match(await pushFails(place, 'origin', 'light'), /already exists/);
      await push(place, '--force', 'origin', 'light');
      await push(place, '--delete', 'origin', 'v1', 'readme');
      assert.equal(await tip(place, 'refs/tags/v1'), undefined);
      assert.equal(await tip(place, 'refs/tags/light'), await git(['rev-parse', 'light'], { cwd: workTree }));
    });

    test('a mirror push makes the server equal, and deletes what is no longer there', async () => {
      const served = await scene.filled(door, source);
      const mirror = await clone(served, '--mirror');
      assert.equal(await refsOf(mirror), await refsOf(source));
      await fsck(mirror);
      await git(['update-ref', '-d', 'refs/heads/odd-names'], { cwd: mirror });
      await git(['update-ref', 'refs/notes/commits', 'main'], { cwd: mirror });
      await git(['push', '--quiet', '--mirror'], as(served, { cwd: mirror }));
      assert.equal(await advertised(served), await git(['ls-remote', mirror]));
    });

    test('an atomic push does everything or nothing', async () => {
      const place = await working(door);
      await push(place, '--atomic', 'origin', 'main:one', 'main:two');
      assert.equal(await tip(place, 'refs/heads/one'), await tip(place, 'refs/heads/two'));
      const other = await clone(place);
      const moved = await commitFiles(other, { theirs: '1\n' });
      await git(['push', '--quiet', 'origin', 'main:two'], as(place, { cwd: other }));
      // The client believes its own stale idea of `two`, so that the server has to find out.
      const before = await git(['rev-parse', 'main'], { cwd: place.workTree });
      await commitFiles(place.workTree, { ours: '1\n' });
      const said = await pushFails(
        place,
        '--atomic',
        `--force-with-lease=two:${before}`,
        'origin',
        'main:one',
        'main:two',
      );
      assert.match(said, /two\t\[rejected\] \(stale info\)/);
      assert.match(said, /one\t\[rejected\] \(atomic push failed\)/);
      assert.equal(await tip(place, 'refs/heads/one'), before);
      assert.equal(await tip(place, 'refs/heads/two'), moved);
    });

    test('an atomic push with one bad command is refused by the server as a whole', async () => {
      const place = await working(door);
      await push(place, 'origin', 'main:refs/heads/a');
      // refs/heads/a and refs/heads/a/b cannot both be: only the server can see that.
      const said = await pushFails(
        place,
        '--atomic',
        'origin',
        'main:refs/heads/fine',
        'main:refs/heads/a/b',
      );
      assert.match(said, /!\trefs\/heads\/main:refs\/heads\/fine\t\[remote rejected\]/);
      assert.match(said, /!\trefs\/heads\/main:refs\/heads\/a\/b\t\[remote rejected\]/);
      assert.equal(await tip(place, 'refs/heads/fine'), undefined);
    });

    test('without atomic, each command has its own true result', async () => {
      const place = await working(door);
      await push(place, 'origin', 'main:refs/heads/a');
      const said = await pushFails(place, 'origin', 'main:refs/heads/fine', 'main:refs/heads/a/b');
      assert.match(said, /\*\trefs\/heads\/main:refs\/heads\/fine\t\[new branch\]/);
      assert.match(said, /!\trefs\/heads\/main:refs\/heads\/a\/b\t\[remote rejected\] \(.+\)/);
      assert.equal(await tip(place, 'refs/heads/fine'), await tip(place, 'refs/heads/main'));
      assert.equal(await tip(place, 'refs/heads/a/b'), undefined);
    });

    test('a directory of refs gives way to a ref of its name in the same push', async () => {
      const place = await working(door);
      await push(place, 'origin', 'main:refs/heads/topic/one');
      await push(place, 'origin', ':refs/heads/topic/one');
      await push(place, 'origin', 'main:refs/heads/topic');
      assert.notEqual(await tip(place, 'refs/heads/topic'), undefined);
    });

    test('2,000 refs are created, moved and deleted, each in one push', async () => {
      const place = await working(door);
      const { workTree } = place;
      const names = Array.from(
        { length: 2000 },
        (_, index) => `refs/heads/many/${index % 50}/branch-${index}`,
      );
      const update = async (verb: (name: string) => string): Promise<void> => {
        await git(['update-ref', '--stdin'], { cwd: workTree, input: names.map(verb).join('') });
      };
      await update((name) => `create ${name} HEAD\n`);
      await push(place, '--quiet', 'origin', 'refs/heads/many/*:refs/heads/many/*');
      assert.equal(
        await git(['ls-remote', place.url, 'refs/heads/many/*'], as(place)),
        await git(['ls-remote', workTree, 'refs/heads/many/*']),
      );
      await commitFiles(workTree, { a: '1\n' });
      await update((name) => `update ${name} HEAD\n`);
      await push(place, '--quiet', '--atomic', 'origin', 'refs/heads/many/*:refs/heads/many/*');
      assert.equal(
        await git(['ls-remote', place.url, 'refs/heads/many/*'], as(place)),
        await git(['ls-remote', workTree, 'refs/heads/many/*']),
      );
      await update((name) => `delete ${name}\n`);
      await push(place, '--quiet', '--prune', 'origin', 'refs/heads/many/*:refs/heads/many/*');
      assert.equal(await git(['ls-remote', place.url, 'refs/heads/many/*'], as(place)), '');
    });

    test('a lease that somebody broke is refused, a good one is kept', async () => {
      const place = await working(door);
      const leased = await git(['rev-parse', 'main'], { cwd: place.workTree });
      const other = await clone(place);
      const theirs = await commitFiles(other, { theirs: '1\n' });
      await git(['push', '--quiet', 'origin', 'main'], as(place, { cwd: other }));
      await git(['commit', '--quiet', '--amend', '--message', 'Ours'], { cwd: place.workTree });
      assert.match(
        await pushFails(place, `--force-with-lease=main:${leased}`, 'origin', 'main'),
        /stale info/,
      );
      assert.equal(await tip(place, 'refs/heads/main'), theirs);
      await push(place, `--force-with-lease=main:${theirs}`, 'origin', 'main');
      assert.equal(
        await tip(place, 'refs/heads/main'),
        await git(['rev-parse', 'main'], { cwd: place.workTree }),
      );
    });

    test('two pushes race for one ref: one wins, the others are told clearly', async () => {
      const place = await working(door);
      const racers = await Promise.all(
        Array.from({ length: 4 }, async (_, index) => {
          const workTree = await clone(place);
          const oid = await commitFiles(workTree, { [`racer-${index}`]: 'x\n' });
          return { workTree, oid };
        }),
      );
      const results = await Promise.all(
        racers.map(({ workTree }) =>
          tryGit(['push', '--porcelain', 'origin', 'main'], as(place, { cwd: workTree })),
        ),
      );
      const winners = racers.filter((_, index) => results[index]?.code === 0);
      assert.equal(winners.length, 1, results.map((result) => result.stderr).join('\n'));
      assert.equal(await tip(place, 'refs/heads/main'), winners[0]?.oid);
      for (const result of results.filter(({ code }) => code !== 0)) {
        assert.match(
          result.stdout.toString(),
          /!\trefs\/heads\/main:refs\/heads\/main\t\[(remote )?rejected\] \(.+\)/,
        );
      }
    });

    test('many pushes to different branches at once all succeed', async () => {
      const place = await working(door);
      const oids = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const workTree = await clone(place);
          const oid = await commitFiles(workTree, { [`file-${index}`]: 'x\n' });
          await git(['push', '--quiet', 'origin', `main:branch-${index}`], as(place, { cwd: workTree }));
          return oid;
        }),
      );
      const found = await Promise.all(oids.map((_, index) => tip(place, `refs/heads/branch-${index}`)));
      assert.deepEqual(found, oids);
      await fsck(await clone(place, '--mirror'));
    });

    test('push options are accepted', async () => {
      const place = await working(door);
      await commitFiles(place.workTree, { a: '1\n' });
      const said = await push(
        place,
        '--push-option',
        'ci.skip',
        '--push-option=title=A "quoted" = value',
        'origin',
        'main',
      );
      assert.match(said, /Done/);
    });

    test('a thin pack is completed from what the server has', async () => {
      const served = await scene.filled(door, source);
      const workTree = await clone(served);
      const file =
        (await git(['ls-files', '*.txt'], { cwd: workTree }))
          .split('\n')
          .find((path) => !path.startsWith('"')) ?? '';
      const content = await git(['show', `HEAD:${file}`], { cwd: workTree });
      const oid = await commitFiles(workTree, { [file]: `${content}\none more line\n` });
      await git(['push', '--quiet', '--thin', 'origin', 'main'], as(served, { cwd: workTree }));
      const copy = await clone(served, '--mirror');
      assert.equal(await git(['rev-parse', 'main'], { cwd: copy }), oid);
      await fsck(copy);
    });

    test('a push without any new object needs no pack', async () => {
      const place = await working(door);
      await push(place, 'origin', 'main:refs/heads/same', 'main:refs/tags/same', 'main:refs/custom/space');
      assert.equal(await tip(place, 'refs/custom/space'), await tip(place, 'refs/heads/main'));
    });

    test('progress is shown, and a quiet push is quiet', async () => {
      const place = await working(door);
      await commitFiles(place.workTree, { a: '1\n' });
      const quiet = await tryGit(['push', '--quiet', 'origin', 'main'], as(place, { cwd: place.workTree }));
      assert.equal(quiet.stderr, '');
      const loud = await tryGit(['push', '--progress', place.url, '--mirror'], as(place, { cwd: source }));
      assert.equal(loud.code, 0, loud.stderr);
      assert.match(loud.stderr, /remote: .*(Unpacking|Indexing|Resolving|Receiving|Checking)/i);
    });

    test('every protocol version pushes', async () => {
      for (const version of [0, 1, 2]) {
        const place = await working(door);
        const oid = await commitFiles(place.workTree, { a: `${version}\n` });
        await git(
          ['-c', `protocol.version=${version}`, 'push', '--quiet', 'origin', 'main'],
          as(place, { cwd: place.workTree }),
        );
        assert.equal(await tip(place, 'refs/heads/main'), oid);
      }
    });
  });
}
