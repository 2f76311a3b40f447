import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { zeroOid } from '#base';
import { newBareRepository, openDiskRepository, pusher, served } from '#test/disk-repository';
import { commitFiles, fsck, git, gitFails, newWorkTree, refsOf, tryGit } from '#test/git';
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

test('facts are counted, and damage is found', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  await git(['push', '--quiet', bare, 'main'], { cwd: work });
  await git(['repack', '-adq'], { cwd: bare });
  await git(['hash-object', '-w', '--stdin'], { cwd: bare, input: 'loose' });
  const repository = await openDiskRepository(bare);
  const { sizeBytes, maintenance, ...facts } = await repository.facts();
  assert.deepEqual(facts, { generation: 1, packs: 1, looseObjects: 1, refs: 1, objectFormat: 'sha1' });
  assert.ok(sizeBytes > 500);
  assert.deepEqual([maintenance.bitmap, maintenance.commitsOutsideGraph], ['pack', 1]);
  assert.deepEqual(await repository.verify(), []);
  const pack = readdirSync(join(bare, 'objects/pack')).find((name) => name.endsWith('.pack')) ?? '';
  const path = join(bare, 'objects/pack', pack);
  chmodSync(path, 0o644);
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(20) ^ 0xff, 20);
  writeFileSync(path, bytes);
  const problems = await repository.verify();
  assert.ok(problems.length > 0);
  assert.match(problems.join('\n'), /pack|corrupt|error/);
});

test('a push that the repository forbids is refused, and the config is honoured as it is at that moment', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const repository = await openDiskRepository(bare, 'shared');
  const push = async (...refs: readonly string[]): Promise<string> => {
    await using server = await plainHttp(await served(repository));
    const result = await tryGit(['push', server.url, ...refs], { cwd: work });
    return result.code === 0 ? 'ok' : result.stderr;
  };
  assert.equal(await push('main', 'main:topic'), 'ok');
  await commitFiles(work, { b: 'b' });
  assert.equal(await push('main:topic'), 'ok');
  await git(['config', 'receive.denyNonFastForwards', 'true'], { cwd: bare });
  assert.match(await push('+main~1:topic'), /non-fast-forward/);
  await git(['config', 'receive.denyDeletes', 'true'], { cwd: bare });
  assert.match(await push(':topic'), /deletion prohibited/);
  await git(['config', 'receive.denyDeletes', 'false'], { cwd: bare });
  assert.match(await push(':main'), /deletion of the current branch prohibited/);
  assert.equal(await push(':topic'), 'ok');
});

test('changes that need no push go through the same transaction', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  await git(['push', '--quiet', bare, 'main'], { cwd: work });
  const head = await git(['rev-parse', 'HEAD'], { cwd: work });
  const repository = await openDiskRepository(bare);
  const command = { name: 'refs/heads/copy', oldOid: zeroOid('sha1'), newOid: head };
  const options = { atomic: true, by: pusher, message: 'copied' };
  assert.deepEqual(await repository.updateRefs([command], options), [{ name: command.name, status: 'ok' }]);
  await repository.setHead('refs/heads/copy', pusher);
  assert.deepEqual((await repository.refs()).head, { symref: 'refs/heads/copy', oid: head });
  assert.equal(await git(['symbolic-ref', 'HEAD'], { cwd: bare }), 'refs/heads/copy');
  assert.equal(await repository.configValue('Core.Bare'), 'true');
});
