import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, doors, type Remote } from '#test/doors';
import { commitFiles, git, newWorkTree, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { Scene } from './scene.ts';

/** What a server with accounts refuses by itself, and how its operator changes that. */

let scene: Scene;

before(async () => {
  scene = await Scene.start({ serveArguments: ['--fsck', 'missingEmail=ignore,badTimezone=error'] });
});
after(() => scene[Symbol.asyncDispose]());

async function push(remote: Remote, work: string, code: number, ...args: readonly string[]): Promise<string> {
  const result = await tryGit(['push', '--porcelain', remote.url, ...args], as(remote, { cwd: work }));
  const said = result.stderr + result.stdout.toString();
  assert.equal(result.code, code, said);
  return said;
}

for (const door of doors) {
  describe(`a server with accounts over ${door.name}`, () => {
    test('flaws are judged by the rules that the node was started with', async () => {
      const [served, work] = await Promise.all([scene.empty(door), newWorkTree()]);
      const tree = await git(['rev-parse', 'main^{tree}'], { cwd: work });
      const commit = (author: string): Promise<string> =>
        git(['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], {
          cwd: work,
          input: `tree ${tree}\nauthor ${author}\ncommitter ${author}\n\nflawed\n`,
        });
      await push(served, work, 0, `${await commit('No Mail 1 +0000')}:refs/heads/no-mail`);
      const refused = await push(served, work, 1, `${await commit('A <a@b> 1 +1')}:refs/heads/zone`);
      assert.match(refused, /badTimezone/);
      assert.match(refused, /\[remote rejected\] \(unpacker error\)/);
    });

    test('a history that ends early is refused, also from somebody who has all of it', async () => {
      const [served, work] = await Promise.all([scene.empty(door), newWorkTree()]);
      for (const name of ['one', 'two', 'three']) await commitFiles(work, { [name]: name });
      const shallow = join(temporaryDirectory('shallow'), 'clone');
      await git(['clone', '--quiet', '--depth=2', `file://${work}`, shallow]);
      assert.match(
        await push(served, shallow, 1, 'main'),
        /\[remote rejected\] \(shallow update not allowed\)/,
      );
      await push(served, work, 0, 'main');
      await commitFiles(shallow, { more: 'more' });
      await push(served, shallow, 0, 'main');
    });

    test('the default branch stays, in words that say so', async () => {
      const [served, work] = await Promise.all([scene.empty(door), newWorkTree()]);
      await push(served, work, 0, 'main');
      const said = await push(served, work, 1, ':main');
      assert.match(said, /remote: error: refusing to delete the current branch: refs\/heads\/main/);
      assert.doesNotMatch(said, /receive\.denyDeleteCurrent/);
    });
  });
}
