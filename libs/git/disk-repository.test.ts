import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { newBareRepository, openDiskRepository, served } from '#test/disk-repository';
import { commitFiles, fsck, git, gitFails, newWorkTree, refsOf } from '#test/git';
import { plainDaemon, plainHttp } from '#test/plain-doors';
import { temporaryDirectory } from '#test/temporary';

for (const mode of ['owned', 'shared'] as const) {
  for (const format of ['sha1', 'sha256'] as const) {
    test(`git pushes to and fetches from a ${mode} ${format} repository`, async () => {
      const bare = await newBareRepository(format);
      const work = join(temporaryDirectory('work'), 'work');
      await git(['init', '--quiet', `--object-format=${format}`, work]);
      const first = await commitFiles(work, { 'a.txt': 'one' });
      await git(['tag', '-a', '-m', 'first', 'v1'], { cwd: work });
      await using server = await plainHttp(await served(await openDiskRepository(bare, mode)));
      await git(['push', '--quiet', server.url, 'main', 'v1'], { cwd: work });
      assert.equal(await git(['rev-parse', 'main'], { cwd: bare }), first);
      const second = await commitFiles(work, { 'a.txt': 'two' });
      await git(['push', '--quiet', server.url, 'main', 'main:refs/heads/topic'], { cwd: work });
      const clone = join(temporaryDirectory('clone'), 'clone');
      await git(['clone', '--quiet', server.url, clone]);
      assert.equal(await git(['rev-parse', 'HEAD'], { cwd: clone }), second);
      assert.equal(await git(['rev-parse', 'v1^{}'], { cwd: clone }), first);
      await git(['push', '--quiet', server.url, ':topic'], { cwd: work });
      assert.doesNotMatch(await refsOf(bare), /topic/);
      await fsck(bare);
      await fsck(clone);
      assert.deepEqual(server.failures, []);
      assert.deepEqual(
        readdirSync(join(bare, 'objects')).filter((name) => name.startsWith('tmp')),
        [],
      );
    });
  }
}

test('git talks to a repository over a stateful connection as well', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  await using server = await plainDaemon(await served(await openDiskRepository(bare)));
  await git(['push', '--quiet', server.url, 'main'], { cwd: work });
  await commitFiles(work, { more: 'more' });
  await git(['push', '--quiet', server.url, 'main'], { cwd: work });
  const clone = join(temporaryDirectory('clone'), 'clone');
  await git(['clone', '--quiet', '--depth=1', server.url, clone]);
  assert.equal(await git(['rev-list', '--count', 'HEAD'], { cwd: clone }), '1');
  await git(['fetch', '--quiet', '--unshallow'], { cwd: clone });
  assert.equal(await git(['rev-list', '--count', 'HEAD'], { cwd: clone }), '2');
  await fsck(clone);
  assert.deepEqual(server.failures, []);
});

test('a push that lost a race is refused and leaves no quarantine', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const repository = await openDiskRepository(bare);
  await using server = await plainHttp(await served(repository));
  await git(['push', '--quiet', server.url, 'main'], { cwd: work });
  const stale = await git(['rev-parse', 'HEAD'], { cwd: work });
  const moved = await commitFiles(work, { 'b.txt': 'b' });
  await git(['push', '--quiet', server.url, 'main'], { cwd: work });
  const other = await newWorkTree('other');
  const output = await gitFails(['push', server.url, 'main'], { cwd: other });
  assert.match(output, /rejected/);
  assert.equal(await git(['rev-parse', 'main'], { cwd: bare }), moved);
  assert.notEqual(stale, moved);
  assert.ok(!existsSync(join(bare, 'refs/heads/main.lock')));
});
