import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { commitFiles, fsck, git, newWorkTree, refsOf } from '#test/git';
import { plainDaemon, plainHttp } from '#test/plain-doors';
import { PlainRepository } from '#test/plain-repository';
import { temporaryDirectory } from '#test/temporary';

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
    });
  }
}
