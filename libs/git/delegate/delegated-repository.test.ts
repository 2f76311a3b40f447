import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#base';
import { newBareRepository, pusher } from '#test/disk-repository';
import { commitFiles, git, newWorkTree } from '#test/git';
import { testPools } from '#test/pools';
import { temporaryDirectory } from '#test/temporary';
import type { Conversation } from '#wire';

/** One stateless conversation and what was answered. */
function conversation(
  input: string,
  version: 0 | 2,
): { readonly conversation: Conversation; readonly answer: () => string } {
  const written: Uint8Array[] = [];
  return {
    conversation: {
      input: (async function* () {
        yield Buffer.from(input);
      })(),
      output: {
        write: (...chunks) => {
          written.push(...chunks.map((chunk) => Buffer.from(chunk)));
          return Promise.resolve();
        },
      },
      version,
      stateless: true,
      signal: new AbortController().signal,
    },
    answer: () => Buffer.concat(written).toString(),
  };
}

test('a linked work tree is served by git itself, with a HEAD of its own', async () => {
  await using pools = testPools();
  const work = await newWorkTree();
  const first = await commitFiles(work, { a: '1\n' });
  const linked = join(temporaryDirectory('linked'), 'linked');
  await git(['worktree', 'add', '--quiet', '-b', 'other', linked], { cwd: work });
  const second = await commitFiles(linked, { a: '2\n' });
  const agent = pools.agent(join(work, '.git/worktrees/linked'), 'shared');
  await git(['config', 'http.uploadpack', 'true'], { cwd: work });
  assert.equal(await agent.configValue('http.uploadpack'), 'true');
  const delegated = await agent.delegated();
  assert.ok(delegated);
  const hello = conversation('', 0);
  await delegated.advertise('upload-pack', hello.conversation, pusher);
  assert.match(hello.answer(), new RegExp(`^[0-9a-f]{4}${second} HEAD\0.*symref=HEAD:refs/heads/other`));
  const list = conversation('0014command=ls-refs\n00010000', 2);
  await delegated.serve('upload-pack', list.conversation, pusher);
  assert.match(
    list.answer(),
    new RegExp(`^[0-9a-f]{4}${second} HEAD\n[0-9a-f]{4}${first} refs/heads/main\n`),
  );
  await assert.rejects(agent.uploadPack(), (error) => hasCode(error, 'failed_precondition'));
});

test('what git does not understand either is refused in its words, until it is understood again', async () => {
  await using pools = testPools();
  const bare = await newBareRepository();
  const agent = pools.agent(bare, 'shared');
  assert.equal(await agent.delegated(), undefined);
  await git(['config', 'core.repositoryFormatVersion', '1'], { cwd: bare });
  await git(['config', 'extensions.fromTheFuture', 'true'], { cwd: bare });
  const delegated = await agent.delegated();
  assert.ok(delegated);
  const { conversation: hello } = conversation('', 0);
  await assert.rejects(
    delegated.advertise('upload-pack', hello, pusher),
    (error) =>
      hasCode(error, 'failed_precondition') &&
      /^unknown repository extension found: fromthefuture$/.test(error.message),
  );
  await git(['config', '--file', join(bare, 'config'), '--unset', 'extensions.fromTheFuture']);
  assert.equal(await agent.delegated(), undefined);
  assert.equal((await agent.uploadPack()).objectFormat, 'sha1');
});
