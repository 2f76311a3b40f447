import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readSettings } from '#base';
import { commitFiles, git, newWorkTree } from '#test/git';
import { testPools } from '#test/pools';
import { randomHistory } from '#test/random-history';
import { temporaryDirectory } from '#test/temporary';
import { type GitCommand, GitRunner, type GitStreams } from '../process/git-runner.ts';
import type { GitProcess } from '../process/git-process.ts';

/** Counts what is started. */
class CountingRunner extends GitRunner {
  readonly started: string[] = [];
  readonly processes: GitProcess[] = [];

  constructor() {
    super({ timeoutMs: readSettings().git.gitTimeoutMs });
  }

  override start(command: GitCommand, streams: GitStreams): GitProcess {
    this.started.push(command.args[0] ?? '');
    const running = super.start(command, streams);
    this.processes.push(running);
    return running;
  }
}

const head = (path: string): Promise<string> => git(['rev-parse', 'HEAD'], { cwd: path });

describe('blobs', () => {
  test('a large blob is streamed from a process, and leaving early stops it', async () => {
    const workTree = await newWorkTree('large');
    const content = Buffer.alloc(3_000_000, 'packhorse ');
    await commitFiles(workTree, { large: content });
    const runner = new CountingRunner();
    await using node = testPools({ streamedBlobBytes: 1_000_000, maxBlobStreams: 1 }, { runner });
    const agent = node.agent(join(workTree, '.git'));
    const { oid = '' } = (await agent.entry(await head(workTree), 'large')) ?? {};
    assert.deepEqual(await agent.blob(oid), { oid, sizeBytes: content.length, binary: false });
    assert.ok(Buffer.concat(await Array.fromAsync(agent.blobContent(oid))).equals(content));

    const stream = agent.blobContent(oid)[Symbol.asyncIterator]();
    assert.equal((await stream.next()).done, false);
    const running = runner.processes.at(-1);
    // The one place is taken, so another stream waits for it, and gets it when this one is left.
    const other = agent.blobContent(oid)[Symbol.asyncIterator]();
    const waiting = other.next();
    await agent.commit(await head(workTree));
    assert.equal(runner.processes.at(-1), running);
    await stream.return?.();
    assert.notEqual((await running?.exit)?.stopped, undefined);
    assert.equal((await waiting).done, false);
    await other.return?.();
  });

  test('a small blob comes in chunks of the configured size, and an empty one in none', async () => {
    const workTree = await newWorkTree('small');
    await commitFiles(workTree, { small: 'x'.repeat(250), empty: '' });
    await using node = testPools({ blobChunkBytes: 100 });
    const agent = node.agent(join(workTree, '.git'));
    const at = await head(workTree);
    const lengths = async (path: string): Promise<number[]> => {
      const entry = await agent.entry(at, path);
      return (await Array.fromAsync(agent.blobContent(entry?.oid ?? ''))).map((chunk) => chunk.length);
    };
    assert.deepEqual(await lengths('small'), [100, 100, 50]);
    assert.deepEqual(await lengths('empty'), []);
  });

  test('what is missing and what is no blob is refused before anything is read', async () => {
    const path = await randomHistory(31);
    await using node = testPools();
    const agent = node.agent(path);
    await assert.rejects(agent.blob('0'.repeat(40)), { code: 'not_found' });
    await assert.rejects(agent.blob(await head(path)), { code: 'invalid_argument' });
    await assert.rejects(Array.fromAsync(agent.blobContent(await head(path))), { code: 'invalid_argument' });
  });
});

describe('diffs', () => {
  const lines = (count: number, mark: string): string =>
    Array.from({ length: count }, (_, index) => `${mark} ${index}\n`).join('');

  test('past the limit of files the rest is counted', async () => {
    const workTree = await newWorkTree('files');
    const files = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`f${index}`, lines(3, 'a')]));
    const newOid = await commitFiles(workTree, files);
    await using node = testPools({ maxDiffFiles: 4 });
    const diff = await node
      .agent(join(workTree, '.git'))
      .diff({ newOid, oldOid: await git(['rev-parse', 'HEAD~1'], { cwd: workTree }) });
    assert.deepEqual(
      diff.files.map(({ newPath }) => newPath),
      ['f0', 'f1', 'f2', 'f3'],
    );
    assert.ok(diff.files.every(({ truncated, hunks }) => !truncated && hunks[0]?.lines.length === 3));
    assert.deepEqual(diff.stats, { files: 9, addedLines: 27, removedLines: 0 });
    assert.equal(diff.omittedFiles, 5);
  });

  test('past the limit of lines, and of bytes, what is cut short says so', async () => {
    const workTree = await newWorkTree('lines');
    const files = { a: lines(5, 'a'), b: lines(5, 'b'), c: lines(5, 'c'), d: '', e: 'x'.repeat(200_000) };
    const newOid = await commitFiles(workTree, files);
    const oldOid = await git(['rev-parse', 'HEAD~1'], { cwd: workTree });
    const summaries = async (settings: Parameters<typeof testPools>[0]): Promise<unknown> => {
      await using node = testPools(settings);
      const diff = await node.agent(join(workTree, '.git')).diff({ newOid, oldOid });
      assert.deepEqual(diff.stats, { files: 5, addedLines: 16, removedLines: 0 });
      return diff.files.map(({ newPath, hunks, truncated }) => [
        newPath,
        hunks.flatMap((hunk) => hunk.lines).length,
        truncated,
      ]);
    };
    assert.deepEqual(await summaries({ maxDiffLines: 8 }), [
      ['a', 5, false],
      ['b', 3, true],
      ['c', 0, true],
      ['d', 0, false],
      ['e', 0, true],
    ]);
    assert.deepEqual(await summaries({ maxDiffBytes: 100_000 }), [
      ['a', 5, false],
      ['b', 5, false],
      ['c', 5, false],
      ['d', 0, false],
      ['e', 0, true],
    ]);
  });

  test('the config and the attributes of a repository change nothing and run nothing', async () => {
    const workTree = await newWorkTree('config');
    await commitFiles(workTree, {
      '.gitattributes': '*.txt diff=mine\n',
      'a.txt': 'one\n\n',
      'z.txt': 'one\n',
    });
    const oldOid = await head(workTree);
    const newOid = await commitFiles(workTree, { 'a.txt': 'two\n\n', 'z.txt': 'two\n' });
    const path = join(workTree, '.git');
    await using plain = testPools();
    const expected = await plain.agent(path).diff({ oldOid, newOid });
    const touched = join(temporaryDirectory('touched'), 'file');
    const config = {
      'diff.external': `touch ${touched}`,
      'diff.mine.textconv': `touch ${touched}; cat`,
      'diff.mine.command': `touch ${touched}`,
      'diff.noprefix': 'true',
      'diff.suppressBlankEmpty': 'true',
      'diff.renames': 'false',
      'color.ui': 'always',
      'core.quotePath': 'false',
    };
    for (const [key, value] of Object.entries(config)) await git(['config', key, value], { cwd: workTree });
    await using node = testPools();
    assert.deepEqual(await node.agent(path).diff({ oldOid, newOid }), expected);
    assert.deepEqual(
      expected.files.map(({ hunks }) => hunks[0]?.lines.map(({ text }) => text)),
      [
        ['one', 'two', ''],
        ['one', 'two'],
      ],
    );
    assert.equal(existsSync(touched), false);
  });

  test('the same diff is made once', async () => {
    const path = await randomHistory(32);
    const runner = new CountingRunner();
    await using node = testPools({}, { runner });
    const newOid = await head(path);
    const asked = Array.from({ length: 5 }, () => node.agent(path).diff({ newOid }));
    const [first, ...others] = await Promise.all(asked);
    for (const other of others) assert.deepEqual(other, first);
    assert.equal(runner.started.filter((command) => command === 'diff-tree').length, 1);
  });
});

describe('last commits', () => {
  test('what takes too long is answered in part, goes on, and is whole for who asks again', async () => {
    const path = await randomHistory(33);
    const from = await head(path);
    await using node = testPools({ lastCommitsTimeMs: 0 });
    const agent = node.agent(path);
    const names = (await agent.tree(from, '')).map(({ name }) => name);
    assert.ok(names.length > 1);
    let found = await agent.lastCommits(from, '');
    while (found.size < names.length) found = await agent.lastCommits(from, '');
    for (const name of names) {
      if (name.includes('�')) continue;
      const expected = await git(['log', '-1', '--format=%H', 'HEAD', '--', `:(literal)${name}`], {
        cwd: path,
      });
      assert.equal(found.get(name)?.oid, expected);
    }
  });

  test('after a new commit the earlier answer is taken over', async () => {
    const workTree = await newWorkTree('adopting');
    for (const name of ['a', 'b', 'c']) await commitFiles(workTree, { [`dir/${name}`]: name, [name]: name });
    await using node = testPools();
    const agent = node.agent(join(workTree, '.git'));
    const before = await agent.lastCommits(await head(workTree), 'dir');
    await commitFiles(workTree, { elsewhere: 'x' });
    const changed = await commitFiles(workTree, { 'dir/b': 'changed' });
    const after = await agent.lastCommits(changed, 'dir');
    assert.deepEqual([...after.keys()].toSorted(), ['a', 'b', 'c']);
    assert.equal(after.get('a')?.oid, before.get('a')?.oid);
    assert.equal(after.get('b')?.oid, changed);
  });
});

describe('ancestry and history', () => {
  test('unrelated histories have no merge base, and a shallow repository is answered as git does', async () => {
    const workTree = await newWorkTree('unrelated');
    for (const name of ['a', 'b', 'c', 'd']) await commitFiles(workTree, { [name]: name });
    await git(['checkout', '--quiet', '--orphan', 'other'], { cwd: workTree });
    await commitFiles(workTree, { other: 'x' });
    await using node = testPools();
    const agent = node.agent(join(workTree, '.git'));
    const main = await git(['rev-parse', 'main'], { cwd: workTree });
    assert.equal(await agent.mergeBase(main, await head(workTree)), undefined);
    assert.deepEqual(await agent.aheadBehind(main, await head(workTree)), { ahead: 5, behind: 1 });

    const shallow = join(temporaryDirectory('shallow'), 'shallow.git');
    await git(['clone', '--quiet', '--bare', '--depth=2', '--branch=main', `file://${workTree}`, shallow]);
    const [tip = '', parent = ''] = (await git(['rev-list', 'main'], { cwd: shallow })).split('\n');
    const borrowed = node.agent(shallow);
    assert.deepEqual(await borrowed.aheadBehind(tip, parent), { ahead: 1, behind: 0 });
    assert.equal(await borrowed.mergeBase(tip, parent), parent);
    assert.equal((await borrowed.history({ from: tip, skip: 0, limit: 10 })).commits.length, 2);
    assert.deepEqual(
      [...(await borrowed.lastCommits(tip, '')).values()].map(({ oid }) => oid).toSorted(),
      [...Array.from({ length: 4 }, () => parent), tip].toSorted(),
    );
  });

  test('a page of history is no longer than the limit, and says when there is more', async () => {
    const path = await randomHistory(34);
    await using node = testPools({ maxHistoryPage: 3 });
    const page = await node.agent(path).history({ from: await head(path), skip: 0, limit: 1_000_000 });
    assert.equal(page.commits.length, 3);
    assert.equal(page.hasMore, true);
    const empty = await node.agent(path).history({ from: await head(path), skip: 1000, limit: -5 });
    assert.deepEqual(empty, { commits: [], hasMore: false });
  });

  test('peeling to what is not there is refused', async () => {
    const path = await randomHistory(35);
    await using node = testPools();
    const agent = node.agent(path);
    const at = await head(path);
    await assert.rejects(agent.peel(at, 'blob'), { code: 'invalid_argument' });
    await assert.rejects(agent.peel('0'.repeat(40), 'commit'), { code: 'not_found' });
    await assert.rejects(agent.history({ from: await agent.peel(at, 'tree'), skip: 0, limit: 1 }), {
      code: 'invalid_argument',
    });
    await assert.rejects(agent.tree(at, 'a\0b'), { code: 'invalid_argument' });
  });
});
