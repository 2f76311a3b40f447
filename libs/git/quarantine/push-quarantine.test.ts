import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ByteStream, type ErrorCode, hasCode, type Oid, PackhorseError, zeroOid } from '#base';
import type { Quarantine } from '#wire';
import { newBareRepository, openDiskRepository, pusher, testStorage } from '#test/disk-repository';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { objectEntry, packOf as packOfEntries, zerosEntry } from '#test/pack-writer';
import { smallDisk } from '#test/small-disk';
import { temporaryDirectory } from '#test/temporary';
import type { DiskRepository } from '../disk-repository.ts';

const zero = zeroOid('sha1');
const limits = { maxPackBytes: 1 << 30, clientShallows: [] };

async function packOf(
  work: string,
  revisions: readonly string[],
  ...options: readonly string[]
): Promise<Buffer> {
  const args = ['pack-objects', '--stdout', '--revs', '-q', ...options];
  const result = await tryGit(args, { cwd: work, input: `${revisions.join('\n')}\n` });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

async function* chunked(bytes: Buffer, chunkBytes = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

async function open(repository: DiskRepository, signal = new AbortController().signal): Promise<Quarantine> {
  return await (await repository.receivePack(pusher)).openQuarantine(signal);
}

function leftovers(bare: string): string[] {
  return readdirSync(join(bare, 'objects'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    /tmp_|incoming/.test(path),
  );
}

function packs(bare: string): string[] {
  return readdirSync(join(bare, 'objects/pack')).filter((name) => name.endsWith('.pack'));
}

/** Receiving `pack` must fail so, and leave nothing. */
async function refuses(
  bare: string,
  repository: DiskRepository,
  pack: ByteStream,
  code: ErrorCode,
  message: RegExp,
  maxPackBytes = limits.maxPackBytes,
): Promise<void> {
  {
    await using quarantine = await open(repository);
    await assert.rejects(quarantine.receive(pack, { ...limits, maxPackBytes }), (error) => {
      assert.ok(hasCode(error, code), String(error));
      assert.match(error.message, message);
      return true;
    });
  }
  assert.deepEqual(leftovers(bare), []);
  assert.deepEqual(packs(bare), []);
}

/** A blob, tree or commit made without git's usual checks. */
async function hash(work: string, kind: string, content: string | Uint8Array): Promise<Oid> {
  const args = ['hash-object', '-w', '--literally', '-t', kind, '--stdin'];
  return (await tryGit(args, { cwd: work, input: content })).stdout.toString().trim();
}

test('bad packs are refused with a clear reason and leave nothing', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const head = await commitFiles(work, { 'big.txt': 'x'.repeat(100_000), 'other.txt': 'other' });
  const pack = await packOf(work, [head]);
  const repository = await openDiskRepository(bare);
  const refused = (bytes: Buffer, code: ErrorCode, message: RegExp, maxPackBytes?: number): Promise<void> =>
    refuses(bare, repository, chunked(bytes, 1000), code, message, maxPackBytes);
  await refused(Buffer.alloc(0), 'invalid_argument', /eof before pack header/);
  await refused(Buffer.from('PACK'), 'invalid_argument', /eof before pack header/);
  await refused(Buffer.from('hello, this is no pack'), 'invalid_argument', /pack signature mismatch/);
  await refused(Buffer.from('PACK\0\0\0\x09\0\0\0\x01'), 'invalid_argument', /version/);
  await refused(pack.subarray(0, 20), 'invalid_argument', /truncated \(early EOF\)/);
  await refused(pack.subarray(0, pack.length - 1), 'invalid_argument', /truncated \(early EOF\)/);
  const corrupt = Buffer.from(pack);
  corrupt.writeUInt8(corrupt.readUInt8(40) ^ 0xff, 40);
  await refused(corrupt, 'invalid_argument', /inflate|corrupt|unknown object|bad/i);
  const badChecksum = Buffer.from(pack);
  badChecksum.writeUInt8(badChecksum.readUInt8(pack.length - 1) ^ 1, pack.length - 1);
  await refused(badChecksum, 'invalid_argument', /SHA1 mismatch|corrupt/);
  await refused(pack, 'resource_exhausted', /pack exceeds maximum allowed size \(100 bytes\)/, 100);
});

test('a pack whose deltas have no base is refused', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index}`);
  const old = await commitFiles(work, { 'a.txt': lines.join('\n') });
  const head = await commitFiles(work, { 'a.txt': [...lines, 'last'].join('\n') });
  const thin = await packOf(work, [head, `^${old}`], '--thin');
  await refuses(
    bare,
    await openDiskRepository(bare),
    chunked(thin),
    'invalid_argument',
    /deltas have no base|unresolved/,
  );
});

test('objects that git fsck complains about, or that name what is missing, are refused in our own repositories', async () => {
  const work = await newWorkTree();
  const blob = await hash(work, 'blob', 'content');
  const evil = await hash(
    work,
    'tree',
    Buffer.concat([Buffer.from('100644 .git\0'), Buffer.from(blob, 'hex')]),
  );
  const person = 'A <a@example.org> 1700000000 +0000';
  const commit = (tree: Oid): string => `tree ${tree}\nauthor ${person}\ncommitter ${person}\n\nmessage\n`;
  const evilCommit = await hash(work, 'commit', commit(evil));
  const lonely = await hash(work, 'commit', commit(await git(['rev-parse', 'HEAD^{tree}'], { cwd: work })));
  const bare = await newBareRepository();
  const repository = await openDiskRepository(bare);
  await refuses(
    bare,
    repository,
    chunked(await packOf(work, [evilCommit])),
    'invalid_argument',
    /hasDotgit: contains '\.git'/,
  );
  const alone = await tryGit(['pack-objects', '--stdout', '-q'], { cwd: work, input: `${lonely}\n` });
  await refuses(
    bare,
    repository,
    chunked(alone.stdout),
    'invalid_argument',
    /did not receive expected object|missing|unexpected type/i,
  );
});

test('what fsck tolerates or refuses follows receive.fsck of the repository', async () => {
  const work = await newWorkTree();
  const tree = await git(['rev-parse', 'HEAD^{tree}'], { cwd: work });
  const person = 'A <a@example.org> 1700000000 +99999';
  const head = await hash(
    work,
    'commit',
    `tree ${tree}\nauthor ${person}\ncommitter ${person}\n\nold flaw\n`,
  );
  const pack = await packOf(work, [head]);
  const lenient = await newBareRepository();
  await using quarantine = await open(await openDiskRepository(lenient));
  await quarantine.receive(chunked(pack), limits);
  const strict = await newBareRepository();
  await git(['config', 'receive.fsck.badTimezone', 'error'], { cwd: strict });
  await refuses(strict, await openDiskRepository(strict), chunked(pack), 'invalid_argument', /badTimezone/);
  const off = await newBareRepository();
  await git(['config', 'receive.fsckObjects', 'false'], { cwd: off });
  await git(['config', 'receive.fsck.badTimezone', 'error'], { cwd: off });
  await using unchecked = await open(await openDiskRepository(off));
  await unchecked.receive(chunked(pack), limits);
});

test('nothing is visible before the commit, everything after it', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const head = await git(['rev-parse', 'HEAD'], { cwd: work });
  const tree = await git(['rev-parse', 'HEAD^{tree}'], { cwd: work });
  const repository = await openDiskRepository(bare);
  {
    await using quarantine = await open(repository);
    await quarantine.receive(chunked(await packOf(work, [head]), 7), limits);
    assert.deepEqual(
      await quarantine.kindsOf([head, tree, zero]),
      new Map([
        [head, 'commit'],
        [tree, 'tree'],
      ]),
    );
    assert.deepEqual(await quarantine.disconnected([head]), new Set());
    assert.equal((await tryGit(['cat-file', '-e', head], { cwd: bare })).code, 1);
    const commands = [{ name: 'refs/heads/main', oldOid: zero, newOid: head }];
    assert.deepEqual(await quarantine.commit(commands, { atomic: false, pushOptions: [] }), [
      { name: 'refs/heads/main', status: 'ok' },
    ]);
  }
  assert.equal(await git(['rev-parse', 'main'], { cwd: bare }), head);
  await fsck(bare);
  assert.deepEqual(leftovers(bare), []);
});

test('a quarantine that is dropped leaves nothing, and a pack without objects is not kept', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const head = await git(['rev-parse', 'HEAD'], { cwd: work });
  const repository = await openDiskRepository(bare);
  {
    await using quarantine = await open(repository);
    await quarantine.receive(chunked(await packOf(work, [head])), limits);
  }
  assert.deepEqual([leftovers(bare), packs(bare)], [[], []]);
  await git(['push', '--quiet', bare, 'main'], { cwd: work });
  const before = packs(bare);
  await using quarantine = await open(repository);
  await quarantine.receive(chunked(await packOf(work, [head, `^${head}`])), limits);
  const commands = [{ name: 'refs/heads/topic', oldOid: zero, newOid: head }];
  const fresh = await openDiskRepository(bare);
  assert.deepEqual(await quarantine.disconnected([head]), new Set());
  assert.equal((await quarantine.commit(commands, { atomic: false, pushOptions: [] }))[0]?.status, 'ok');
  assert.deepEqual(packs(bare), before);
  assert.equal((await fresh.refs()).get('refs/heads/topic')?.oid, head);
});

test('the objects of a push that lost its race are not let in', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const first = await git(['rev-parse', 'HEAD'], { cwd: work });
  const second = await commitFiles(work, { a: 'a' });
  const repository = await openDiskRepository(bare);
  const race = async (oid: Oid): Promise<Quarantine> => {
    const quarantine = await open(repository);
    await quarantine.receive(chunked(await packOf(work, [oid])), limits);
    return quarantine;
  };
  await using winner = await race(second);
  await using loser = await race(first);
  const command = { name: 'refs/heads/main', oldOid: zero };
  const options = { atomic: false, pushOptions: [] };
  assert.equal((await winner.commit([{ ...command, newOid: second }], options))[0]?.status, 'ok');
  const [lost] = await loser.commit([{ ...command, newOid: first }], options);
  assert.deepEqual(lost, {
    name: command.name,
    status: 'rejected',
    reason: 'reference already exists',
    note: "cannot lock ref 'refs/heads/main': reference already exists",
  });
  assert.equal(packs(bare).length, 1);
});

for (const mode of ['owned', 'shared'] as const) {
  test(`tips that are missing are found out in a ${mode} repository`, async () => {
    const bare = await newBareRepository();
    const work = await newWorkTree();
    const head = await commitFiles(work, { a: 'a' });
    await using quarantine = await open(await openDiskRepository(bare, mode));
    await quarantine.receive(chunked(await packOf(work, [head])), limits);
    const absent = '12'.repeat(20);
    assert.deepEqual(await quarantine.disconnected([head, absent]), new Set([absent]));
  });
}

test('in a shared repository an object that exists without what it names is no sound tip', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const first = await git(['rev-parse', 'HEAD'], { cwd: work });
  const second = await commitFiles(work, { a: 'a' });
  // The commit alone, as an interrupted copy leaves it.
  const content = (await tryGit(['cat-file', 'commit', second], { cwd: work })).stdout;
  assert.equal(
    (
      await tryGit(['hash-object', '-w', '--literally', '-t', 'commit', '--stdin'], {
        cwd: bare,
        input: content,
      })
    ).code,
    0,
  );
  await using quarantine = await open(await openDiskRepository(bare, 'shared'));
  await quarantine.receive(chunked(await packOf(work, [first])), limits);
  assert.deepEqual(await quarantine.disconnected([first, second]), new Set([second]));
});

test('a repository with borrowed objects, in a directory with an awkward name, takes a push', async () => {
  const work = await newWorkTree();
  const first = await git(['rev-parse', 'HEAD'], { cwd: work });
  const parent = join(temporaryDirectory('awkward'), 'a "quoted": \\ dir');
  mkdirSync(parent);
  const base = join(parent, 'base.git');
  const bare = join(parent, 'fork.git');
  await git(['clone', '--quiet', '--bare', work, base]);
  await git(['clone', '--quiet', '--bare', '--shared', base, bare]);
  await git(['update-ref', '-d', 'refs/heads/main'], { cwd: bare });
  const repository = await openDiskRepository(bare, 'shared');
  const receiver = await repository.receivePack(pusher);
  assert.deepEqual(await receiver.alternateTips(), [first]);
  const second = await commitFiles(work, { a: 'a' });
  await using quarantine = await open(repository);
  await quarantine.receive(chunked(await packOf(work, [second, `^${first}`], '--thin')), limits);
  assert.deepEqual(await quarantine.disconnected([second]), new Set());
  const commands = [{ name: 'refs/heads/main', oldOid: zero, newOid: second }];
  assert.equal((await quarantine.commit(commands, { atomic: true, pushOptions: [] }))[0]?.status, 'ok');
  await fsck(bare);
});

test('a push on a full disk is refused with these words and leaves nothing', async () => {
  const disk = smallDisk(1 << 20);
  // Without permission to mount there is no small disk to be had here; the end-to-end tests have other means.
  if (disk.wrapper.length > 0) return;
  const bare = join(disk.directory, 'bare.git');
  await git(['init', '--quiet', '--bare', bare]);
  const work = await newWorkTree();
  const noise = Buffer.from(Array.from({ length: 3_000_000 }, () => Math.random() * 256));
  const head = await commitFiles(work, { noise });
  const repository = await openDiskRepository(bare);
  await refuses(
    bare,
    repository,
    chunked(await packOf(work, [head]), 65_536),
    'resource_exhausted',
    /^The server's disk is full\.$/,
  );
});

test('a client that goes away stops the indexer and leaves nothing', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const pack = await packOf(work, [await git(['rev-parse', 'HEAD'], { cwd: work })]);
  const repository = await openDiskRepository(bare);
  const leaving = new AbortController();
  async function* stalling(): AsyncGenerator<Uint8Array> {
    yield pack.subarray(0, 100);
    setImmediate(() => leaving.abort());
    await new Promise(() => undefined);
  }
  {
    await using quarantine = await open(repository, leaving.signal);
    await assert.rejects(quarantine.receive(stalling(), limits), (error) => hasCode(error, 'cancelled'));
  }
  assert.deepEqual(leftovers(bare), []);
});

test('what the input throws is what receiving throws', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const pack = await packOf(work, [await git(['rev-parse', 'HEAD'], { cwd: work })]);
  const lost = new PackhorseError('cancelled', 'The connection is gone.');
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield pack.subarray(0, 50);
    throw lost;
  }
  await using quarantine = await open(await openDiskRepository(bare));
  await assert.rejects(quarantine.receive(breaking(), limits), (error) => error === lost);
});

test('pushes past the limits of the node wait, and are told to come back when too many wait', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const pack = await packOf(work, [await git(['rev-parse', 'HEAD'], { cwd: work })]);
  const repository = await openDiskRepository(
    bare,
    'owned',
    testStorage({}, { maxIndexers: 1, maxIndexerQueue: 1, smallPackBytes: 0 }),
  );
  const first = await open(repository);
  await first.receive(chunked(pack), limits);
  await using second = await open(repository);
  await using third = await open(repository);
  const waiting = second.receive(chunked(pack), limits);
  await assert.rejects(third.receive(chunked(pack), limits), (error) => hasCode(error, 'unavailable'));
  await first[Symbol.asyncDispose]();
  await waiting;
});

test('progress of the indexer is passed on', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const lines = Array.from({ length: 300 }, (_, index) => `line ${index}`);
  for (let round = 0; round < 5; round += 1)
    await commitFiles(work, { 'a.txt': [...lines, round].join('\n') });
  const pack = await packOf(work, ['HEAD']);
  const texts: string[] = [];
  const storage = testStorage({}, { smallPackBytes: 0 });
  await using quarantine = await open(await openDiskRepository(bare, 'owned', storage));
  await quarantine.receive(chunked(pack), {
    ...limits,
    onProgress: (text) => void texts.push(Buffer.from(text).toString()),
  });
  assert.match(texts.join(''), /Resolving deltas: 100%/);
});

test('a repository without a pack directory gets one', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const head = await git(['rev-parse', 'HEAD'], { cwd: work });

  rmSync(join(bare, 'objects/pack'), { recursive: true });
  await using quarantine = await open(await openDiskRepository(bare));
  await quarantine.receive(chunked(await packOf(work, [head])), limits);
  const commands = [{ name: 'refs/heads/main', oldOid: zero, newOid: head }];
  assert.equal((await quarantine.commit(commands, { atomic: true, pushOptions: [] }))[0]?.status, 'ok');
  assert.ok(existsSync(join(bare, 'objects/pack')));
});

test('a blob past the limit is found in a large pack among others, without asking git for all sizes', async () => {
  const MiB = 1024 * 1024;
  const limit = 80 * MiB;
  const storage = testStorage(
    {},
    { smallPackBytes: 0, maxPushedObjectBytes: limit, maxIndexerMemoryBytes: limit },
  );
  const withBlob = async (sizeBytes: number): Promise<Buffer> =>
    packOfEntries([
      objectEntry('blob', Buffer.from('one')),
      await zerosEntry('blob', sizeBytes),
      objectEntry('blob', Buffer.from('another')),
    ]);
  const bare = await newBareRepository();
  const repository = await openDiskRepository(bare, 'owned', storage);
  const tooLarge = /an object of 83886081 bytes is larger than the server allows \(83886080 bytes\)/;
  await refuses(bare, repository, chunked(await withBlob(limit + 1)), 'resource_exhausted', tooLarge);
  await using quarantine = await open(repository);
  await quarantine.receive(chunked(await withBlob(limit)), limits);
});
