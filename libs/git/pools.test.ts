import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { hasCode, ManualClock, type PackhorseError, zeroOid } from '#base';
import { newBareRepository, pusher } from '#test/disk-repository';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { testPools } from '#test/pools';
import { randomHistory } from '#test/random-history';
import { temporaryDirectory } from '#test/temporary';
import type { CommitFields, CreateCommitRequest, RepositoryReader, Signature } from './reader.ts';

const head = (path: string): Promise<string> => git(['rev-parse', 'HEAD'], { cwd: path });

const person: Signature = {
  name: 'Wendy Web',
  email: 'wendy@example.org',
  timestampMs: 1_700_000_000_000,
  offsetMinutes: 90,
};

/** Asks again while the one who should answer is being started again. */
async function untilAnswered(ask: () => Promise<CommitFields>): Promise<string> {
  for (;;) {
    try {
      return (await ask()).oid;
    } catch (error) {
      if (!hasCode(error, 'unavailable')) throw error;
      await nextTurn();
    }
  }
}

/** Lets everything that is ready happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await nextTurn();
}

describe('pools', () => {
  test('a pool opens with the first question, rests, closes its handles, and opens again when asked', async () => {
    const path = await randomHistory(41);
    const clock = new ManualClock();
    await using node = testPools({ poolIdleMs: 1_000 }, { clock });
    const agent = node.agent(path);
    assert.equal(node.pools.counts.pools, 0);
    const oid = await head(path);
    await agent.commit(oid);
    await agent.refs('');
    assert.equal(node.pools.counts.pools, 1);
    assert.ok(node.pools.counts.openHandles >= 1);
    clock.advance(900);
    await agent.commit(oid);
    clock.advance(900);
    await settle();
    assert.equal(node.pools.counts.pools, 1, 'it was used meanwhile');
    while (node.pools.counts.pools > 0 || node.pools.counts.openHandles > 0) {
      clock.advance(1_000);
      await nextTurn();
    }
    assert.equal((await agent.commit(oid)).oid, oid);
    assert.equal(node.pools.counts.pools, 1);
  });

  test('asking for refs only keeps a pool open, too', async () => {
    const path = await randomHistory(41);
    const clock = new ManualClock();
    await using node = testPools({ poolIdleMs: 1_000 }, { clock });
    const agent = node.agent(path);
    for (let times = 0; times < 5; times += 1) {
      await agent.head();
      await settle();
      clock.advance(900);
      await settle();
    }
    assert.equal(node.pools.counts.pools, 1);
    const writers = [...node.actors.observe()].filter(({ kind }) => kind === 'repository-writer');
    assert.equal(writers.length, 1);
  });

  test('readers answer side by side, each with a handle of its own', async () => {
    const path = await randomHistory(42);
    await using node = testPools({ readersPerRepository: 3 });
    const agent = node.agent(path);
    const oid = await head(path);
    const gate = Promise.withResolvers<void>();
    const inside: RepositoryReader[] = [];
    const running = Array.from({ length: 3 }, () =>
      agent.transaction(async (reader) => {
        inside.push(reader);
        if (inside.length === 3) gate.resolve();
        await gate.promise;
        return (await reader.commit(oid)).oid;
      }),
    );
    assert.deepEqual(await Promise.all(running), [oid, oid, oid]);
    assert.equal(node.pools.counts.openHandles, 3);
  });

  test('the mailboxes are bounded, and who finds them full is told to come back', async () => {
    const path = await randomHistory(43);
    await using node = testPools({ readersPerRepository: 2, readerMailboxMessages: 3 });
    const agent = node.agent(path);
    const gate = Promise.withResolvers<void>();
    const oid = await head(path);
    await agent.commit(oid);
    const blocked = [1, 2].map(() => agent.transaction(() => gate.promise));
    await settle();
    const waiting = Array.from({ length: 6 }, () => agent.commit(oid));
    await assert.rejects(agent.commit(oid), { code: 'unavailable' });
    gate.resolve();
    await Promise.all([...blocked, ...waiting]);
    assert.equal((await agent.commit(oid)).oid, oid);
  });

  test('a reader that crashes starts again, and neither its pool nor another repository notices', async () => {
    const [one, other] = [await randomHistory(44), await randomHistory(45)];
    await using node = testPools({ readersPerRepository: 1 });
    const agents = [node.agent(one), node.agent(other)];
    const oids = [await head(one), await head(other)];
    await Promise.all(agents.map((agent, index) => agent.commit(oids[index] ?? '')));
    const incarnations = (): Map<string, number> =>
      new Map([...node.actors.observe()].map(({ path, id }) => [path, id]));
    const before = incarnations();
    const defect = agents[0]?.transaction(() => Promise.reject(new RangeError('a defect')));
    const survivor = agents[0]?.commit(oids[0] ?? '');
    await assert.rejects(defect ?? Promise.resolve(), { code: 'internal' });
    // What waited for the crashed one fails with a clear error or is answered by its successor.
    await survivor?.catch((error: PackhorseError) => assert.equal(error.code, 'unavailable'));
    assert.equal(await untilAnswered(() => node.agent(one).commit(oids[0] ?? '')), oids[0]);
    assert.equal((await agents[1]?.commit(oids[1] ?? ''))?.oid, oids[1]);
    const changed = [...incarnations()].filter(([path, id]) => before.get(path) !== id).map(([path]) => path);
    assert.equal(changed.length, 1, changed.join());
    assert.ok(changed[0]?.includes(one));
    assert.equal(node.pools.counts.openHandles, 2);
  });

  test('a reader that crashes again and again does not take the server with it', async () => {
    const [one, other] = [await randomHistory(44), await randomHistory(45)];
    await using node = testPools();
    const oid = await head(one);
    for (let times = 0; times < 12; times += 1) {
      await assert.rejects(node.agent(one).transaction(() => Promise.reject(new RangeError('a defect'))));
    }
    assert.equal((await node.agent(other).commit(await head(other))).oid, await head(other));
    assert.equal(await untilAnswered(() => node.agent(one).commit(oid)), oid);
  });

  test('a transaction sees the same refs from beginning to end', async () => {
    const path = await randomHistory(46);
    await using node = testPools();
    const agent = node.agent(path);
    const before = await head(path);
    const seen = await agent.transaction(async (reader) => {
      const first = await reader.resolve('main');
      const created = await agent.createCommit(commitRequest(before));
      return { first, created, second: await reader.resolve('main'), head: await reader.head() };
    });
    assert.equal(seen.first?.oid, before);
    assert.equal(seen.second?.oid, before);
    assert.equal(seen.head.oid, before);
    assert.equal((await agent.resolve('main'))?.oid, seen.created);
  });

  test('a stream that nobody pulls holds no reader', async () => {
    const path = await randomHistory(47);
    await using node = testPools({ readersPerRepository: 1, streamedBlobBytes: 0 });
    const agent = node.agent(path);
    const oid = await head(path);
    const file = (await agent.tree(oid, '')).find(({ kind }) => kind === 'file' || kind === 'executable');
    assert.ok(file);
    const streams = Array.from({ length: 5 }, () => agent.blobContent(file.oid)[Symbol.asyncIterator]());
    await Promise.all(streams.map((stream) => stream.next()));
    assert.equal((await agent.commit(oid)).oid, oid);
    for (const stream of streams) await stream.return?.();
  });

  test('one repository never answers with an object of another', async () => {
    const [one, other] = [await randomHistory(48), await randomHistory(49)];
    await using node = testPools();
    const oid = await head(one);
    await node.agent(one).commit(oid);
    await node.agent(one).tree(oid, '');
    await assert.rejects(node.agent(other).commit(oid), { code: 'not_found' });
    await assert.rejects(node.agent(other).tree(oid, ''), { code: 'not_found' });
    assert.equal(await node.agent(other).resolve(oid), undefined);
  });

  test('where there is no repository the answer is not_found, until there is one', async () => {
    const path = join(temporaryDirectory('later'), 'later.git');
    await using node = testPools();
    for (const mode of ['owned', 'shared'] as const) {
      await assert.rejects(node.agent(path, mode).head(), { code: 'not_found' });
      await assert.rejects(node.agent(path, mode).commit('0'.repeat(40)), { code: 'not_found' });
    }
    await rename(await randomHistory(50), path);
    assert.equal((await node.agent(path).head()).oid, await head(path));
  });

  test('closing lets what runs end, and draining refuses what comes later', async () => {
    const path = await randomHistory(51);
    const node = testPools();
    const agent = node.agent(path);
    const oid = await head(path);
    await agent.commit(oid);
    const gate = Promise.withResolvers<string>();
    const running = agent.transaction(() => gate.promise);
    await settle();
    const closing = node.pools.close(path);
    gate.resolve('done');
    assert.equal(await running, 'done');
    await closing;
    assert.equal(node.pools.counts.openHandles, 0);
    assert.equal((await agent.commit(oid)).oid, oid);
    await node.pools.drain(10_000);
    assert.equal(node.pools.counts.openHandles, 0);
    await assert.rejects(agent.commit(oid), { code: 'unavailable' });
  });

  test('in a shared directory every answer reflects the disk', async () => {
    const workTree = await newWorkTree('shared');
    await using node = testPools();
    const agent = node.agent(workTree, 'shared');
    for (let times = 0; times < 3; times += 1) {
      const oid = await commitFiles(workTree, { [`f${times}`]: `${times}` });
      assert.equal((await agent.resolve('main'))?.oid, oid);
      assert.equal((await agent.tree(oid, '')).length, times + 2);
    }
  });
});

function commitRequest(
  expectedOid: string | undefined,
  changes: CreateCommitRequest['changes'] = [
    { path: 'web/file.txt', content: Buffer.from('from the web\n') },
  ],
): CreateCommitRequest {
  return {
    ref: 'refs/heads/main',
    expectedOid,
    changes,
    message: 'Change a file\n\nIn the browser.',
    author: person,
    committer: { ...person, name: 'Server' },
  };
}

for (const format of ['sha1', 'sha256'] as const) {
  describe(`writing to a ${format} repository`, () => {
    test('a commit adds, changes and deletes files, as git itself reads it', async () => {
      const path = await newBareRepository(format);
      await using node = testPools();
      const agent = node.agent(path);
      const text = (content: string): Buffer => Buffer.from(content);
      const first = await agent.createCommit(
        commitRequest(undefined, [
          { path: 'a', content: text('a') },
          { path: 'a.txt', content: text('with a name between a and a/') },
          { path: 'dir/run', content: text('#!/bin/sh\n'), executable: true },
          { path: 'dir/only', content: text('only') },
          { path: 'ünï/文', content: text('') },
        ]),
      );
      const second = await agent.createCommit(
        commitRequest(first, [
          { path: 'a', content: undefined },
          { path: 'a/below', content: text('now a directory') },
          { path: 'dir/run', content: text('#!/bin/bash\n') },
          { path: 'dir/only', content: undefined },
          { path: 'ünï/文', content: undefined },
        ]),
      );
      await fsck(path);
      assert.equal(await git(['rev-parse', 'refs/heads/main'], { cwd: path }), second);
      const printed = await git(['ls-tree', '-r', '-z', second], { cwd: path });
      assert.deepEqual(
        printed
          .split('\0')
          .slice(0, -1)
          .map((line) => line.replace(/ .*\t/, ' ')),
        ['100644 a.txt', '100644 a/below', '100755 dir/run'],
      );
      assert.equal(await git(['show', `${second}:dir/run`], { cwd: path }), '#!/bin/bash');
      const fields = ['%P', '%an <%ae> %ad', '%cn', '%s', '%b'].join('%n');
      assert.equal(
        await git(['log', '-1', '--date=raw', `--format=${fields}`, second], { cwd: path }),
        [
          first,
          'Wendy Web <wendy@example.org> 1700000000 +0130',
          'Server',
          'Change a file',
          'In the browser.\n',
        ].join('\n'),
      );
      const reflog = await git(['reflog', 'show', '--format=%gn %gs', 'refs/heads/main'], { cwd: path });
      assert.match(reflog, /^Server push\nServer push$/);
      assert.equal((await agent.commit(second)).oid, second);
    });

    test('of two commits on the same state one is made and the other is told that the branch moved', async () => {
      const path = await randomHistory(52, { format });
      await using node = testPools();
      const agent = node.agent(path);
      const before = await git(['rev-parse', 'refs/heads/main'], { cwd: path });
      const outcomes = await Promise.allSettled([
        agent.createCommit(commitRequest(before)),
        agent.createCommit(commitRequest(before, [{ path: 'other', content: Buffer.from('x') }])),
      ]);
      const made = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      assert.equal(made.length, 1);
      assert.deepEqual(
        failed.map((error: PackhorseError) => error.code),
        ['aborted'],
      );
      assert.equal(await git(['rev-parse', 'refs/heads/main'], { cwd: path }), made[0]);
      await assert.rejects(agent.createCommit(commitRequest(undefined)), { code: 'aborted' });
    });

    test('paths that cannot be are refused and change nothing', async () => {
      const path = await randomHistory(53, { format });
      await using node = testPools();
      const agent = node.agent(path);
      const before = await git(['rev-parse', 'refs/heads/main'], { cwd: path });
      const content = Buffer.from('x');
      const refused: CreateCommitRequest['changes'][] = [
        ...['', '/a', 'a/', 'a//b', '../a', 'a/./b', '.git/config', 'a/.GIT/b', 'a\0b'].map((bad) => [
          { path: bad, content },
        ]),
        [{ path: 'no/such/file', content: undefined }],
        [
          { path: 'x', content },
          { path: 'x', content },
        ],
        [
          { path: 'x', content },
          { path: 'x/y', content },
        ],
      ];
      for (const changes of refused) {
        await assert.rejects(agent.createCommit(commitRequest(before, changes)), {
          code: 'invalid_argument',
        });
      }
      await assert.rejects(agent.createCommit({ ...commitRequest(before), ref: 'main' }), {
        code: 'invalid_argument',
      });
      assert.equal(await git(['rev-parse', 'refs/heads/main'], { cwd: path }), before);
      await fsck(path);
    });

    test('a push is received beside reads and accepted by the writer, one after another', async () => {
      const path = await newBareRepository(format);
      const source = await randomHistory(54, { format });
      await using node = testPools();
      const agent = node.agent(path);
      const tip = await git(['rev-parse', 'refs/heads/main'], { cwd: source });
      const pack = await tryGit(['pack-objects', '--revs', '--stdout', '--quiet'], {
        cwd: source,
        input: `${tip}\n`,
      });
      const push = async (name: string): Promise<unknown> => {
        const receiver = await agent.receivePack(pusher);
        await using quarantine = await receiver.openQuarantine(new AbortController().signal);
        const chunks = (async function* () {
          yield pack.stdout;
        })();
        await quarantine.receive(chunks, { maxPackBytes: 1e9, clientShallows: [] });
        assert.deepEqual(await quarantine.disconnected([tip]), new Set());
        const command = { name, oldOid: zeroOid(format), newOid: tip };
        return await quarantine.commit([command], { atomic: false, pushOptions: [] });
      };
      const names = ['a', 'b', 'c', 'main'].map((name) => `refs/heads/${name}`);
      assert.deepEqual(
        await Promise.all(names.map((name) => push(name))),
        names.map((name) => [{ name, status: 'ok' }]),
      );
      assert.deepEqual(
        (await agent.refs('refs/heads/')).map((ref) => ref.name),
        names,
      );
      assert.equal((await agent.commit(tip)).oid, tip);
      const walked = await agent.uploadPack();
      assert.deepEqual(await walked.existing([tip, zeroOid(format)]), new Set([tip]));
      assert.equal((await walked.commitNode(tip))?.oid, tip);
      await fsck(path);
    });

    test('another default branch is named, and facts and the check of integrity are told', async () => {
      const path = await randomHistory(55, { format });
      await using node = testPools();
      const agent = node.agent(path);
      await agent.setHead('refs/heads/topic');
      assert.equal((await agent.head()).symref, 'refs/heads/topic');
      assert.equal(await git(['symbolic-ref', 'HEAD'], { cwd: path }), 'refs/heads/topic');
      await assert.rejects(agent.setHead('refs/heads/..'), { code: 'invalid_argument' });
      const facts = await agent.facts();
      assert.equal(facts.objectFormat, format);
      assert.equal(facts.packs, 1);
      assert.deepEqual(await agent.verify(), []);
    });
  });
}

test('a gitfile that points somewhere else is not followed', async () => {
  const path = temporaryDirectory('gitfile');
  const target = await randomHistory(56);
  mkdirSync(join(path, 'work'));
  writeFileSync(join(path, 'work/.git'), `gitdir: ${target}\n`);
  await using node = testPools();
  await assert.rejects(node.agent(join(path, 'work'), 'shared').head(), { code: 'not_found' });
  assert.ok(existsSync(target));
});
