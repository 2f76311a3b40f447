import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type ObjectFormat, type Oid, readSettings, type Settings, zeroOid } from '#base';
import { newBareRepository, openDiskRepository, pusher, testStorage } from '#test/disk-repository';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { randomHistory } from '#test/random-history';
import type { DiskRepository } from '../disk-repository.ts';
import type { GitProcess } from '../process/git-process.ts';
import { type GitCommand, GitRunner, type GitStreams } from '../process/git-runner.ts';
import { MemoryBudget } from '../process/memory-budget.ts';
import type { RepositoryMode } from '../repository-policy.ts';

/** Remembers which git commands were started, besides the one that reads the configuration. */
class CountingRunner extends GitRunner {
  readonly commands: string[] = [];

  constructor() {
    super({ timeoutMs: 60_000 });
  }

  override start(command: GitCommand, streams: GitStreams): GitProcess {
    if (command.args[0] !== 'config') this.commands.push(command.args[0] ?? '');
    return super.start(command, streams);
  }
}

interface Target {
  readonly bare: string;
  readonly runner: CountingRunner;
  readonly repository: DiskRepository;
}

async function target(
  mode: RepositoryMode,
  format: ObjectFormat = 'sha1',
  settings: Partial<Settings['git']> = {},
  config: Readonly<Record<string, string>> = {},
): Promise<Target> {
  const bare = await newBareRepository(format);
  for (const [key, value] of Object.entries(config)) await git(['config', key, value], { cwd: bare });
  const runner = new CountingRunner();
  const repository = await openDiskRepository(bare, mode, testStorage({ git: runner }, settings));
  return { bare, runner, repository };
}

async function packOf(work: string, revisions: readonly string[], ...options: string[]): Promise<Buffer> {
  const args = ['pack-objects', '--stdout', '--revs', '--thin', '-q', ...options];
  const result = await tryGit(args, { cwd: work, input: `${revisions.join('\n')}\n` });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

async function* chunked(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

/** Pushes `tip` of `work` to a ref; resolves to why it was refused, or undefined. */
async function push(
  { repository }: Target,
  work: string,
  ref: string,
  tip: Oid,
  haves: readonly Oid[] = [],
  ...options: string[]
): Promise<string | undefined> {
  const pack = await packOf(work, [tip, ...haves.map((oid) => `^${oid}`)], ...options);
  const receiver = await repository.receivePack(pusher);
  await using quarantine = await receiver.openQuarantine(new AbortController().signal);
  await quarantine.receive(chunked(pack), { maxPackBytes: 1 << 30, clientShallows: [] });
  if ((await quarantine.disconnected([tip])).size > 0) return 'disconnected';
  const oldOid = (await repository.refs()).get(ref)?.oid ?? zeroOid(repository.objectFormat);
  const [result] = await quarantine.commit([{ name: ref, oldOid, newOid: tip }], {
    atomic: true,
    pushOptions: [],
  });
  return result?.status === 'ok' ? undefined : result?.reason;
}

const everyTarget = (['owned', 'shared'] as const).flatMap((mode) =>
  (['sha1', 'sha256'] as const).map((format) => [mode, format] as const),
);

for (const [mode, format] of everyTarget) {
  describe(`small pushes to ${mode === 'owned' ? 'an' : 'a'} ${mode} repository of ${format}`, () => {
    test('a history that is pushed bit by bit starts no git, and git finds nothing wrong with it', async () => {
      for (const seed of [1, 2]) {
        const source = await randomHistory(seed, { format, commits: 25 });
        const to = await target(mode, format);
        const order = (await git(['rev-list', '--topo-order', '--reverse', 'main'], { cwd: source })).split(
          '\n',
        );
        const haves: Oid[] = [];
        for (const [index, tip] of order.entries()) {
          if (index % 3 !== 0 && index !== order.length - 1) continue;
          // Side branches come in when they are merged: what is not an ancestor yet stays as a ref of its own.
          assert.equal(await push(to, source, `refs/heads/at-${index}`, tip, haves), undefined);
          haves.push(tip);
        }
        const tag = await git(['rev-parse', 'v1-of-tag'], { cwd: source });
        assert.equal(await push(to, source, 'refs/tags/v1-of-tag', tag, haves), undefined);
        // Whether a ref that is not a tip reaches a parent is a question for git where existing is not enough.
        const expected = mode === 'owned' ? [] : to.runner.commands.filter((name) => name === 'rev-list');
        assert.deepEqual(to.runner.commands, expected);
        await git(['fsck', '--strict', '--no-dangling', '--no-progress'], { cwd: to.bare });
        const list = ['rev-list', '--objects', '--no-object-names', 'main', 'v1-of-tag'];
        const theirs = (await git(list, { cwd: source })).split('\n').sort();
        const all = ['rev-list', '--objects', '--no-object-names', '--all'];
        assert.deepEqual((await git(all, { cwd: to.bare })).split('\n').sort(), theirs);
      }
    });
  });
}

test('files that moved, came back, or have names that mean something to git need no git', async () => {
  for (const mode of ['owned', 'shared'] as const) {
    const to = await target(mode);
    const work = await newWorkTree();
    let before = await commitFiles(work, {
      'a/b/c.txt': 'deep',
      'top.txt': 'top',
      '.gitattributes': '* text=auto\n',
      '.gitignore': '*.o\n',
      '.github/workflow.yml': 'on: push\n',
    });
    assert.equal(await push(to, work, 'refs/heads/main', before), undefined);
    const step = async (...args: string[]): Promise<void> => {
      await git(args, { cwd: work });
      await git(['commit', '--quiet', '--allow-empty', '-m', args.join(' ')], { cwd: work });
      const tip = await git(['rev-parse', 'HEAD'], { cwd: work });
      assert.equal(await push(to, work, 'refs/heads/main', tip, [before]), undefined, args.join(' '));
      before = tip;
    };
    await step('mv', 'a/b', 'moved');
    await step('mv', 'top.txt', 'moved/top.txt');
    await step('rm', '-r', '--quiet', 'moved');
    await step('checkout', 'HEAD~3', '--', 'a');
    await step('status');
    if (mode === 'owned') assert.deepEqual(to.runner.commands, []);
    await fsck(to.bare);
  }
});

const indexedByGit = ['index-pack'];

test('what is not certain goes to git, which decides and finds the words', async () => {
  const work = await newWorkTree();
  const head = await commitFiles(work, { 'a.txt': 'a' });
  const hash = async (kind: string, input: string | Buffer): Promise<Oid> =>
    (await tryGit(['hash-object', '-w', '--literally', '-t', kind, '--stdin'], { cwd: work, input })).stdout
      .toString()
      .trim();
  const tree = await git(['rev-parse', 'HEAD^{tree}'], { cwd: work });
  const odd = await hash(
    'commit',
    `tree ${tree}\nauthor A <a@b> 1 +000000\ncommitter A <a@b> 1 +0000\n\nx\n`,
  );
  const to = await target('owned');
  // This flaw is tolerated, but only git knows which ones are.
  assert.equal(await push(to, work, 'refs/heads/odd', odd), undefined);
  assert.deepEqual(to.runner.commands, indexedByGit);
  assert.equal(await push(to, work, 'refs/heads/main', head), undefined);
  assert.deepEqual(to.runner.commands, indexedByGit);
  const modules = await commitFiles(work, {
    '.gitmodules': '[submodule "x"]\n\turl = -u./payload\n\tpath = x\n',
  });
  await assert.rejects(push(to, work, 'refs/heads/main', modules, [head]), /gitmodulesUrl/);
});

test('packs past each limit are indexed by git, from their first byte on', async () => {
  const work = await newWorkTree();
  const head = await commitFiles(work, { 'a.txt': 'a'.repeat(5_000), 'b.txt': 'b' });
  for (const settings of [
    { smallPackBytes: 300 },
    { smallPackObjects: 3 },
    { smallPackInflatedBytes: 4_000 },
    { smallPackMemoryBytes: 1_000 },
  ]) {
    const to = await target('owned', 'sha1', settings);
    assert.equal(await push(to, work, 'refs/heads/main', head), undefined);
    assert.deepEqual(to.runner.commands, indexedByGit, JSON.stringify(settings));
    await fsck(to.bare);
  }
});

test('in a shared repository a new commit on what no ref names is only as good as what is below it', async () => {
  const work = await newWorkTree();
  const base = await commitFiles(work, { 'a.txt': 'a' });
  const hidden = await commitFiles(work, { 'a.txt': 'changed', 'b.txt': 'b' });
  const tip = await commitFiles(work, { 'c.txt': 'c' });
  for (const complete of [true, false]) {
    const to = await target('shared');
    assert.equal(await push(to, work, 'refs/heads/main', base), undefined);
    // The objects of `hidden`, or only its commit, are there without a ref.
    const loose = complete
      ? await packOf(work, [hidden, `^${base}`])
      : await packOf(work, [hidden, `^${hidden}^{tree}`, `^${base}`]);
    await tryGit(['unpack-objects', '-q'], { cwd: to.bare, input: loose });
    const tree = await git(['rev-parse', `${hidden}^{tree}`], { cwd: work });
    assert.equal((await tryGit(['cat-file', '-e', tree], { cwd: to.bare })).code === 0, complete);
    const said = await push(to, work, 'refs/heads/new', tip, [hidden], '--window=0');
    if (complete) assert.equal(said, undefined);
    else assert.equal(said, 'disconnected');
    await fsck(to.bare);
  }
});

test('an unpack limit in the config makes loose objects of smaller pushes', async () => {
  const work = await newWorkTree();
  const head = await commitFiles(work, { 'a.txt': 'a' });
  const count = Number(await git(['rev-list', '--objects', '--count', head], { cwd: work }));
  for (const [limit, isLoose] of [
    [count + 1, true],
    [count, false],
  ] as const) {
    for (const key of ['receive.unpackLimit', 'transfer.unpackLimit']) {
      const to = await target('shared', 'sha1', {}, { [key]: String(limit) });
      assert.equal(await push(to, work, 'refs/heads/main', head), undefined);
      assert.equal(readdirSync(join(to.bare, 'objects/pack')).length, isLoose ? 0 : 2);
      assert.equal(existsSync(join(to.bare, 'objects', head.slice(0, 2), head.slice(2))), isLoose);
      await fsck(to.bare);
    }
  }
});

test('a repository whose files need other rights leaves them to git', async () => {
  const work = await newWorkTree();
  const head = await commitFiles(work, { 'a.txt': 'a' });
  const to = await target('shared', 'sha1', {}, { 'core.sharedRepository': 'group' });
  assert.equal(await push(to, work, 'refs/heads/main', head), undefined);
  assert.ok(to.runner.commands.includes('index-pack'));
});

test('memory for small packs is given back', async () => {
  const budget = new MemoryBudget(100);
  const [one, other] = [budget.lease(), budget.lease()];
  assert.ok(one.hold(60) && !other.hold(50) && other.hold(40) && one.hold(10) && other.hold(90));
  assert.equal(budget.heldBytes, 100);
  one[Symbol.dispose]();
  other[Symbol.dispose]();
  assert.equal(budget.heldBytes, 0);
  const work = await newWorkTree();
  const storage = testStorage({}, readSettings().git);
  const repository = await openDiskRepository(await newBareRepository(), 'owned', storage);
  const head = await commitFiles(work, { 'a.txt': 'a' });
  const receiver = await repository.receivePack(pusher);
  {
    await using quarantine = await receiver.openQuarantine(new AbortController().signal);
    await quarantine.receive(chunked(await packOf(work, [head])), {
      maxPackBytes: 1 << 30,
      clientShallows: [],
    });
    assert.ok(storage.smallPacks.heldBytes > 0);
  }
  assert.equal(storage.smallPacks.heldBytes, 0);
});
