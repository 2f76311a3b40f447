import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { zeroOid } from '#base';
import type { ReplicatedTransaction } from '#git';
import { TestCopies } from '#test/copies';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';

let work: string;

before(async () => {
  work = await newWorkTree();
});

async function refsOf(path: string): Promise<string> {
  return await git(['for-each-ref', '--format=%(refname) %(objectname)'], { cwd: path });
}

/** All copies hold the same, and what git says of each is that it is whole. */
async function areAlike(copies: TestCopies, ...indexes: readonly number[]): Promise<void> {
  const expected = await refsOf(copies.node(copies.primary).path);
  for (const index of indexes) {
    const { path } = copies.node(index);
    await waitUntil(`copy ${index} has followed`, async () => (await refsOf(path)) === expected);
    await fsck(path);
  }
}

test('an acknowledged push is on as many copies as its durability says', async () => {
  await using copies = await TestCopies.open(2);
  const oid = await commitFiles(work, { 'big.bin': 'b'.repeat(2_000_000), 'small.txt': 'one' });
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/main'], { cwd: work });
  for (const index of [0, 1]) {
    const { path } = copies.node(index);
    assert.equal(await git(['rev-parse', 'refs/heads/main'], { cwd: path }), oid);
    await fsck(path);
  }
  const states = await Promise.all([copies.state(0), copies.state(1)]);
  assert.equal(states[0].lastId, states[1].lastId);
  assert.equal(states[0].generation, states[1].generation);
  assert.ok(states[0].isPrimary && !states[1].isPrimary);
});

test('branches come, move and go alike on all copies', async () => {
  await using copies = await TestCopies.open(3);
  const first = await commitFiles(work, { 'a.txt': 'first' });
  const remote = copies.remote(0);
  await git(['push', '--quiet', remote, 'HEAD:refs/heads/main', 'HEAD:refs/heads/x/y', 'HEAD:refs/tags/v1'], {
    cwd: work,
  });
  await commitFiles(work, { 'a.txt': 'second' });
  await git(['push', '--quiet', remote, 'HEAD:refs/heads/main', ':refs/heads/x/y', `${first}:refs/heads/x`], {
    cwd: work,
  });
  await areAlike(copies, 1, 2);
  const copy = join(temporaryDirectory('clone'), 'copy');
  await git(['clone', '--quiet', copies.remote(2), copy]);
  assert.equal(
    await git(['rev-parse', 'HEAD'], { cwd: copy }),
    await git(['rev-parse', 'HEAD'], { cwd: work }),
  );
});

test('with too few copies within reach a push is refused, and changes nothing', async () => {
  await using copies = await TestCopies.open(2);
  copies.cut.add(1);
  await commitFiles(work, { 'a.txt': 'refused' });
  const { code, stderr } = await tryGit(['push', copies.remote(0), 'HEAD:refs/heads/main'], { cwd: work });
  assert.notEqual(code, 0);
  assert.match(stderr, /copies of this repository are within reach/);
  assert.equal(await refsOf(copies.node(0).path), '');
  assert.equal(await refsOf(copies.node(1).path), '');
});

test('a copy that dies in the middle of a push leaves the push to the others, or refused', async () => {
  await using copies = await TestCopies.open(3);
  const server = copies.node(1).server;
  await server.drain(0);
  await commitFiles(work, { 'a.txt': 'with two' });
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/main'], { cwd: work });
  await areAlike(copies, 2);
  assert.deepEqual(copies.node(0).lagging, [copies.node(1).volume.id]);
  await copies.node(2).server.drain(0);
  await commitFiles(work, { 'a.txt': 'with none' });
  const before = await refsOf(copies.node(0).path);
  const { stderr } = await tryGit(['push', copies.remote(0), 'HEAD:refs/heads/main'], { cwd: work });
  assert.match(stderr, /copies of this repository are within reach|did not answer/);
  assert.equal(await refsOf(copies.node(0).path), before);
});

test('a copy that was away becomes like the primary, also where the primary was replaced', async () => {
  await using copies = await TestCopies.open(3);
  await commitFiles(work, { 'a.txt': 'all' });
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/main', 'HEAD:refs/heads/gone'], {
    cwd: work,
  });
  copies.cut.add(2);
  await commitFiles(work, { 'a.txt': 'two of three' });
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/main', ':refs/heads/gone'], { cwd: work });
  await copies.follow(2, 0);
  await areAlike(copies, 1, 2);
  copies.cut.clear();
  await commitFiles(work, { 'a.txt': 'all again' });
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/main'], { cwd: work });
  await areAlike(copies, 1, 2);
  assert.deepEqual(copies.node(0).lagging, []);
});

test('a new primary takes over, and the old one keeps aside what nobody else has', async () => {
  await using copies = await TestCopies.open(3);
  await commitFiles(work, { 'a.txt': 'common' });
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/main'], { cwd: work });
  // The old primary writes what nobody acknowledges: as if it had died before it could say so.
  copies.durability = 1;
  copies.cut.add(1).add(2);
  const lost = await commitFiles(work, { 'a.txt': 'only at the old primary' });
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/main', 'HEAD:refs/heads/only'], {
    cwd: work,
  });
  copies.durability = 2;
  copies.cut.clear();
  copies.cut.add(0);
  copies.primary = 1;
  copies.epoch = 2;
  for (const index of [1, 2]) await (await copies.node(index).agent().replica()).seal(2);
  await (await copies.node(1).agent().replica()).promote(2);
  await git(['reset', '--quiet', '--hard', 'HEAD^'], { cwd: work });
  await commitFiles(work, { 'b.txt': 'at the new primary' });
  await git(['push', '--quiet', copies.remote(1), 'HEAD:refs/heads/main'], { cwd: work });
  await areAlike(copies, 2);
  // The old one may still believe in itself: the others do not listen to it.
  copies.cut.clear();
  copies.primary = 0;
  copies.epoch = 1;
  await commitFiles(work, { 'c.txt': 'to the old primary' });
  const { code } = await tryGit(['push', copies.remote(0), 'HEAD:refs/heads/other'], { cwd: work });
  assert.notEqual(code, 0);
  copies.primary = 1;
  copies.epoch = 2;
  await copies.follow(0, 1);
  await areAlike(copies, 0, 2);
  const [kept = ''] = globSync(join(copies.node(0).volume.path, 'aside/*/*.bundle'));
  assert.match(await git(['ls-remote', kept], { cwd: work }), new RegExp(lost));
});

/** A change that the primary could ask for next. */
async function nextChange(
  copies: TestCopies,
  index: number,
  id: string,
  name: string,
): Promise<ReplicatedTransaction> {
  const { generation, lastId } = await copies.state(index);
  const newOid = await git(['rev-parse', 'refs/heads/main'], { cwd: copies.node(index).path });
  return {
    epoch: copies.epoch,
    generation: generation + 1,
    id,
    previousId: lastId,
    commands: [{ name, oldOid: zeroOid('sha1'), newOid }],
    by: { name: 'Ada', email: 'ada@example.org' },
    message: 'push',
  };
}

/** Has a copy note a change, and no more. */
async function note(copies: TestCopies, index: number, transaction: ReplicatedTransaction): Promise<void> {
  await using change = await (await copies.node(index).agent().replica()).begin(new AbortController().signal);
  await change.prepare(transaction);
}

async function twoAlike(): Promise<TestCopies> {
  const copies = await TestCopies.open(2);
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/main'], { cwd: work });
  return copies;
}

test('what a copy has noted is done by it when it becomes the primary', async () => {
  await using copies = await twoAlike();
  await note(copies, 1, await nextChange(copies, 1, 'noted', 'refs/heads/noted'));
  assert.doesNotMatch(await refsOf(copies.node(1).path), /noted/);
  const replica = await copies.node(1).agent().replica();
  await replica.seal(2);
  const { generation, epoch, prepared } = await replica.promote(2);
  assert.match(await refsOf(copies.node(1).path), /refs\/heads\/noted/);
  assert.deepEqual({ epoch, prepared }, { epoch: 2, prepared: undefined });
  assert.ok(generation > (await copies.state(0)).generation);
});

test('what the primary gave up, unheard, is given up with the next change', async () => {
  await using copies = await twoAlike();
  await note(copies, 1, await nextChange(copies, 1, 'given up', 'refs/heads/never'));
  await git(['push', '--quiet', copies.remote(0), 'HEAD:refs/heads/next'], { cwd: work });
  assert.match(await refsOf(copies.node(1).path), /next/);
  assert.doesNotMatch(await refsOf(copies.node(1).path), /never/);
});

test('a copy does not take a change out of order, of a lower epoch, or without its objects', async () => {
  await using copies = await twoAlike();
  const change = await nextChange(copies, 1, 'odd', 'refs/heads/odd');
  await assert.rejects(note(copies, 1, { ...change, previousId: 'another' }), {
    code: 'failed_precondition',
  });
  const missing = [{ name: 'refs/heads/odd', oldOid: zeroOid('sha1'), newOid: '1'.repeat(40) }];
  await assert.rejects(note(copies, 1, { ...change, commands: missing }), { code: 'data_loss' });
  await (await copies.node(1).agent().replica()).seal(2);
  await assert.rejects(note(copies, 1, change), { code: 'failed_precondition' });
  assert.equal((await copies.state(1)).prepared, undefined);
});

test('a copy that is sealed while it takes in a change says that it has noted it, or does not', async () => {
  await using copies = await twoAlike();
  const change = await nextChange(copies, 1, 'late', 'refs/heads/late');
  const replica = await copies.node(1).agent().replica();
  const [noted, sealed] = await Promise.allSettled([note(copies, 1, change), replica.seal(2)]);
  assert.equal(sealed.status, 'fulfilled');
  const hasIt = sealed.status === 'fulfilled' && sealed.value.prepared?.id === 'late';
  assert.equal(noted.status === 'fulfilled', hasIt);
  assert.equal((await copies.state(1)).prepared?.id, hasIt ? 'late' : undefined);
});

test('a copy does not follow to where the primary was before the copy noted more', async () => {
  await using copies = await twoAlike();
  const contents = await copies.node(0).agent().contents();
  await note(copies, 1, await nextChange(copies, 1, 'noted', 'refs/heads/noted'));
  const replica = await copies.node(1).agent().replica();
  await assert.rejects(replica.adopt(contents, undefined, new AbortController().signal), { code: 'aborted' });
  assert.equal((await copies.state(1)).prepared?.id, 'noted');
});

test('a primary that was sealed notes nothing more of its epoch', async () => {
  await using copies = await twoAlike();
  await (await copies.node(0).agent().replica()).seal(2);
  const { code, stderr } = await tryGit(['push', copies.remote(0), 'HEAD:refs/heads/late'], { cwd: work });
  assert.notEqual(code, 0);
  assert.match(stderr, /Another copy has become the primary/);
  assert.doesNotMatch(await refsOf(copies.node(0).path), /late/);
  assert.doesNotMatch(await refsOf(copies.node(1).path), /late/);
});

test('a primary that starts again does what it had noted, in part or wholly done already', async () => {
  await using copies = await twoAlike();
  const change = await nextChange(copies, 0, 'noted', 'refs/heads/noted');
  const { path, pools } = copies.node(0);
  await note(copies, 0, {
    ...change,
    commands: [...change.commands, { ...one(change), name: 'refs/heads/done' }],
  });
  await git(['update-ref', 'refs/heads/done', one(change).newOid], { cwd: path });
  const file = join(path, 'packhorse-copy');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"isPrimary":false', '"isPrimary":true'));
  await pools.pools.close(copies.node(0).agent().id);
  const { prepared, generation } = await copies.state(0);
  assert.deepEqual({ prepared, generation }, { prepared: undefined, generation: change.generation });
  assert.match(await refsOf(path), /heads\/done[^]*heads\/noted/);
});

function one({ commands }: ReplicatedTransaction): ReplicatedTransaction['commands'][number] {
  const [command] = commands;
  assert.ok(command !== undefined);
  return command;
}
