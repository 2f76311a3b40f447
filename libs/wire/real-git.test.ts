import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { commitFiles, fsck, git, gitFails, newWorkTree, refsOf, tryGit } from '#test/git';
import { plainDaemon, plainHttp } from '#test/plain-doors';
import { PlainRepository } from '#test/plain-repository';
import { temporaryDirectory } from '#test/temporary';
import { PackhorseError } from '#base';

const doors = { http: plainHttp, 'git://': plainDaemon };

async function emptyRepository(): Promise<PlainRepository> {
  const path = join(temporaryDirectory('wire'), 'repository.git');
  await git(['init', '--quiet', '--bare', path]);
  return new PlainRepository(path);
}

for (const [name, open] of Object.entries(doors)) {
  for (const version of [0, 1, 2]) {
    describe(`real git over ${name} with protocol version ${version}`, () => {
      const config = ['-c', `protocol.version=${version}`];

      test('pushes a repository, clones it, and fetches what is new', async () => {
        const repository = await emptyRepository();
        await using server = await open(repository);
        const work = await newWorkTree();
        for (let index = 0; index < 40; index += 1) await commitFiles(work, { [`${index}`]: `${index}` });
        await git(['tag', '-a', '-m', 'one', 'v1'], { cwd: work });
        await git([...config, 'push', '--quiet', '--mirror', server.url], { cwd: work });
        assert.equal(await refsOf(repository.path), await refsOf(work));

        const clone = join(temporaryDirectory('clone'), 'clone.git');
        await git([...config, 'clone', '--quiet', '--mirror', server.url, clone]);
        assert.equal(await refsOf(clone), await refsOf(work));
        await fsck(clone);

        await commitFiles(work, { new: 'new' });
        await git(['push', '--quiet', server.url, 'main'], { cwd: work });
        await commitFiles(work, { newer: 'newer' });
        await git([...config, 'push', '--quiet', server.url, 'main'], { cwd: work });
        await git([...config, 'fetch', '--quiet'], { cwd: clone });
        assert.equal(await refsOf(clone), await refsOf(work));
        const last = repository.packRequests.at(-1);
        assert.ok((last?.haves.length ?? 0) > 0, 'the fetch was incremental');
        await fsck(clone);
        assert.deepEqual(server.failures, []);
      });

      // Version 1 differs from version 0 in its first line only.
      if (version === 1) return;

      test('clones shallowly, deepens, fetches into the shallow clone and unshallows', async () => {
        const repository = await emptyRepository();
        await using server = await open(repository);
        const work = await newWorkTree();
        for (let index = 0; index < 12; index += 1) await commitFiles(work, { file: `${index}` });
        await git([...config, 'push', '--quiet', server.url, 'main'], { cwd: work });
        const clone = join(temporaryDirectory('clone'), 'clone');
        const here = { cwd: clone };
        const count = async (): Promise<string> => git(['rev-list', '--count', 'origin/main'], here);

        await git([...config, 'clone', '--quiet', '--depth=2', '--no-single-branch', server.url, clone]);
        assert.equal(await count(), '2');
        await git([...config, 'fetch', '--quiet', '--deepen=3'], here);
        assert.equal(await count(), '5');
        await commitFiles(work, { file: 'later' });
        await git([...config, 'push', '--quiet', server.url, 'main'], { cwd: work });
        await git([...config, 'fetch', '--quiet'], here);
        assert.equal(await count(), '6');
        await git([...config, 'fetch', '--quiet', '--depth=3'], here);
        assert.equal(await count(), '3');
        await git([...config, 'fetch', '--quiet', '--unshallow'], here);
        assert.equal(await count(), '14');
        await fsck(clone);
        assert.deepEqual(server.failures, []);
      });

      test('clones without blobs and gets them when they are needed', async () => {
        const repository = await emptyRepository();
        repository.uploadPolicy = { ...repository.uploadPolicy, allowAnySha1InWant: true };
        await using server = await open(repository);
        const work = await newWorkTree();
        for (let index = 0; index < 5; index += 1) await commitFiles(work, { [`file-${index}`]: `${index}` });
        await git([...config, 'push', '--quiet', server.url, 'main'], { cwd: work });
        const clone = join(temporaryDirectory('clone'), 'clone');
        await git([...config, 'clone', '--quiet', '--filter=blob:none', '--no-checkout', server.url, clone]);
        const missing = await git(['rev-list', '--objects', '--all', '--missing=print'], { cwd: clone });
        assert.equal(missing.split('\n').filter((line) => line.startsWith('?')).length, 6);
        await git([...config, 'checkout', '--quiet', 'main'], { cwd: clone });
        assert.equal(await git(['show', 'HEAD:file-3'], { cwd: clone }), '3');
        assert.deepEqual(server.failures, []);
      });

      test('shows the user why a push was refused, also when much of it was still to come', async () => {
        const repository = await emptyRepository();
        await using server = await open(repository);
        const work = await newWorkTree();
        await git([...config, 'push', '--quiet', server.url, 'main'], { cwd: work });
        await commitFiles(work, { large: randomBytes(5_000_000) });
        const push = (...args: string[]): Promise<string> =>
          gitFails([...config, 'push', ...args], { cwd: work });

        repository.receivePolicy = { ...repository.receivePolicy, hiddenRefs: ['refs/pull'] };
        const hidden = await push(server.url, 'main:refs/pull/1/head');
        assert.match(hidden, /remote rejected\] main -> refs\/pull\/1\/head \(deny updating a hidden ref\)/);

        repository.openQuarantine = () =>
          Promise.reject(
            new PackhorseError('resource_exhausted', 'The pack is larger than this server accepts.'),
          );
        const large = await push(server.url, 'main');
        assert.match(large, /unpack failed: The pack is larger than this server accepts\./);
        assert.match(large, /remote rejected\] main -> main \(unpacker error\)/);
        assert.deepEqual(server.failures, []);
      });

      test('pushes atomically or ref by ref, and deletes', async () => {
        const repository = await emptyRepository();
        repository.receivePolicy = {
          ...repository.receivePolicy,
          denyNonFastForwards: true,
          advertisePushOptions: true,
        };
        await using server = await open(repository);
        const work = await newWorkTree();
        await commitFiles(work, { one: '1' });
        await git([...config, 'push', '--quiet', server.url, 'main', 'main:other'], { cwd: work });
        await git(['reset', '--quiet', '--hard', 'HEAD~'], { cwd: work });
        await commitFiles(work, { two: '2' });
        const refs = ['+main', 'main:fresh'];

        const atomic = await gitFails([...config, 'push', '--atomic', server.url, ...refs], { cwd: work });
        assert.match(atomic, /main -> main \(non-fast-forward\)/);
        assert.match(atomic, /main -> fresh \(atomic push failure\)/);
        const single = await gitFails([...config, 'push', '-o', 'x=y', server.url, ...refs], { cwd: work });
        assert.match(single, /remote: error: denying non-fast-forward refs\/heads\/main/);
        assert.match(single, /new branch\] +main -> fresh/);
        await git([...config, 'push', '--quiet', server.url, ':other'], { cwd: work });
        const current = await gitFails([...config, 'push', server.url, ':main'], { cwd: work });
        assert.match(current, /deletion of the current branch prohibited/);
        const names = await git(['for-each-ref', '--format=%(refname)'], { cwd: repository.path });
        assert.equal(names, 'refs/heads/fresh\nrefs/heads/main');
        assert.deepEqual(server.failures, []);
      });

      test('hears of what is not there', async () => {
        const repository = await emptyRepository();
        await using server = await open(repository);
        const work = await newWorkTree();
        const clone = join(temporaryDirectory('clone'), 'clone');
        const empty = await tryGit([...config, 'clone', server.url, clone]);
        assert.equal(empty.code, 0, empty.stderr);
        assert.match(empty.stderr, /cloned an empty repository/);
        const branch = await git(['symbolic-ref', 'HEAD'], { cwd: clone });
        assert.equal(branch, 'refs/heads/main');
        const nowhere = 'f'.repeat(40);
        await git([...config, 'push', '--quiet', server.url, 'main'], { cwd: work });
        const unknown = await gitFails([...config, 'fetch', server.url, nowhere], { cwd: work });
        assert.match(unknown, /not our ref f{40}|Server does not allow request for unadvertised object/);
        assert.deepEqual(server.failures, []);
      });

      test('speaks SHA-256', async () => {
        const path = join(temporaryDirectory('wire'), 'repository.git');
        await git(['init', '--quiet', '--bare', '--object-format=sha256', path]);
        const repository = new PlainRepository(path, 'sha256');
        await using server = await open(repository);
        const work = join(temporaryDirectory('work'), 'work');
        await git(['init', '--quiet', '--object-format=sha256', work]);
        await commitFiles(work, { file: 'one' });
        await git([...config, 'push', '--quiet', '--mirror', server.url], { cwd: work });
        const clone = join(temporaryDirectory('clone'), 'clone.git');
        await git([...config, 'clone', '--quiet', '--mirror', server.url, clone]);
        await commitFiles(work, { file: 'two' });
        await git([...config, 'push', '--quiet', server.url, 'main'], { cwd: work });
        await git([...config, 'fetch', '--quiet'], { cwd: clone });
        assert.equal(await refsOf(clone), await refsOf(work));
        await fsck(clone);
        assert.deepEqual(server.failures, []);
      });
    });
  }
}
