import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ObjectFormat, Oid } from '#base';
import { type DiskRepository, GitRunner, type Storage } from '#git';
import type { PackRequest } from '#wire';
import { newBareRepository, openDiskRepository, testStorage } from '#test/disk-repository';
import { git, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';

const never = new AbortController().signal;

interface Scene {
  readonly bare: string;
  readonly format: ObjectFormat;
  readonly storage: Storage;
  readonly repository: DiskRepository;
  readonly packCachePath: string;
}

/** A bare repository of some commits, each with a file of its own, and the server's view of it. */
async function scene(
  format: ObjectFormat = 'sha1',
  settings: Parameters<typeof testStorage>[1] = {},
): Promise<Scene> {
  const bare = await newBareRepository(format);
  const packCachePath = join(temporaryDirectory('cache'), 'packs');
  const storage = testStorage({ packCachePath }, { basePackMinBytes: 0, ...settings });
  after(() => storage.composer?.close());
  const repository = await openDiskRepository(bare, 'shared', storage);
  const made = { bare, format, storage, repository, packCachePath };
  for (let index = 0; index < 5; index += 1)
    await commit(made, 'main', { [`file${index}`]: randomBytes(20_000) });
  return made;
}

/** Adds a commit with these files beside those that there are. */
async function commit(
  { bare }: Scene,
  branch: string,
  files: Readonly<Record<string, Buffer | Oid>>,
): Promise<Oid> {
  const ref = `refs/heads/${branch}`;
  const before = await tryGit(['rev-parse', '--verify', '--quiet', ref], { cwd: bare });
  const parent = before.code === 0 ? [before.stdout.toString().trim()] : [];
  const tree = parent.length === 0 ? '' : await git(['ls-tree', `${ref}^{tree}`], { cwd: bare });
  const entries = new Map(
    tree
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.split('\t')[1], line]),
  );
  for (const [name, content] of Object.entries(files)) {
    const oid =
      typeof content === 'string'
        ? content
        : await git(['hash-object', '-w', '--stdin'], { cwd: bare, input: content });
    entries.set(name, `100644 blob ${oid}\t${name}`);
  }
  const made = await git(['mktree'], { cwd: bare, input: `${[...entries.values()].join('\n')}\n` });
  const parents = parent.flatMap((oid) => ['-p', oid]);
  const oid = await git(['commit-tree', ...parents, '-m', 'a commit', made], { cwd: bare });
  await git(['update-ref', ref, oid], { cwd: bare });
  return oid;
}

async function tips({ bare }: Scene): Promise<Oid[]> {
  return (await git(['for-each-ref', '--format=%(objectname)'], { cwd: bare })).split('\n');
}

const everything: Omit<PackRequest, 'wants'> = {
  haves: [],
  clientShallows: [],
  newShallows: [],
  unshallows: [],
  thinPack: true,
  ofsDelta: true,
  includeTag: true,
  progress: false,
};

async function fetched(
  made: Scene,
  request: Partial<PackRequest> = {},
  onPart: () => void = () => undefined,
): Promise<Buffer> {
  const uploadPack = await made.repository.uploadPack();
  const chunks: Buffer[] = [];
  const wants = request.wants ?? (await tips(made));
  for await (const part of uploadPack.pack({ ...everything, ...request, wants }, never)) {
    if (part.kind === 'data') chunks.push(Buffer.from(part.bytes));
    part.release?.();
    onPart();
  }
  return Buffer.concat(chunks);
}

/** What a strict client finds in a pack, which must be complete in itself. */
async function objectsIn({ format }: Scene, pack: Buffer): Promise<string[]> {
  const empty = await newBareRepository(format);
  const indexed = await tryGit(['index-pack', '--strict', '--stdin'], { cwd: empty, input: pack });
  assert.equal(indexed.code, 0, indexed.stderr);
  const listed = await git(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'], {
    cwd: empty,
  });
  return listed.split('\n').toSorted();
}

async function reachable({ bare }: Scene, ...wants: readonly Oid[]): Promise<string[]> {
  const args = ['rev-list', '--objects', '--no-object-names', ...(wants.length > 0 ? wants : ['--all'])];
  return (await git(args, { cwd: bare })).split('\n').toSorted();
}

function packs({ bare }: Scene): string[] {
  const directory = join(bare, 'objects/pack');
  return readdirSync(directory)
    .filter((name) => name.endsWith('.pack'))
    .map((name) => join(directory, name));
}

const composed = ({ storage }: Scene): number => storage.composer?.served ?? 0;

for (const [format, by, settings] of [
  ['sha1', 'this process', {}],
  ['sha256', 'this process', {}],
  ['sha1', 'git', { composeMaxObjects: 0 }],
  ['sha256', 'git', { composeMaxBytes: 100 }],
] as const) {
  test(`a packed ${format} repository is sent as it is, and after a push with what is new, packed by ${by}, behind it`, async () => {
    const made = await scene(format, settings);
    const old = await git(['rev-parse', 'main:file0'], { cwd: made.bare });
    await commit(made, 'main', { file0: randomBytes(10) });
    await git(['repack', '-adbq'], { cwd: made.bare });
    const [base = ''] = packs(made);
    assert.ok((await fetched(made)).equals(readFileSync(base)));
    // A push that goes back to an object of the base must not send it twice.
    await commit(made, 'main', {
      file0: old,
      more: Buffer.concat([randomBytes(1000), readFileSync(base).subarray(0, 5000)]),
    });
    await commit(made, 'topic', { other: randomBytes(10) });
    await git(['tag', '-a', '-m', 'a tag', 'v1', 'main'], { cwd: made.bare });
    const pack = await fetched(made);
    assert.deepEqual(await objectsIn(made, pack), await reachable(made));
    assert.ok(pack.subarray(12, 1000).equals(readFileSync(base).subarray(12, 1000)), 'the base as it is');
    // Once more, and with another order of the wants: nothing is made again.
    const again = await fetched(made, { wants: (await tips(made)).toReversed() });
    assert.ok(again.equals(pack));
    assert.equal(composed(made), 3);
    assert.equal(made.storage.composer?.made, 2);
    assert.equal(made.storage.packCache?.counts.entries, by === 'git' ? 1 : 0);
    assert.equal(made.storage.packCache?.counts.misses, 0);
  });
}

test('much that is new is kept in a file', async () => {
  const made = await scene();
  await git(['repack', '-adbq'], { cwd: made.bare });
  await commit(made, 'main', { large: randomBytes(300_000) });
  for (const _ of [1, 2]) assert.deepEqual(await objectsIn(made, await fetched(made)), await reachable(made));
  assert.deepEqual([made.storage.composer?.made, made.storage.packCache?.counts.entries], [1, 1]);
});

test('the largest of several packs is the base, also without bitmaps', async () => {
  const made = await scene();
  await git(['repack', '-adq'], { cwd: made.bare });
  await commit(made, 'main', { further: randomBytes(3000) });
  await git(['repack', '-dq'], { cwd: made.bare });
  await commit(made, 'main', { loose: randomBytes(3000) });
  assert.equal(packs(made).length, 2);
  assert.deepEqual(await objectsIn(made, await fetched(made)), await reachable(made));
  await commit(made, 'main', { later: randomBytes(10) });
  assert.deepEqual(await objectsIn(made, await fetched(made)), await reachable(made));
  assert.equal(composed(made), 2);
});

test('a pack with something that the wants do not reach is never sent', async () => {
  const made = await scene();
  await commit(made, 'secret', { secret: randomBytes(5000) });
  await git(['repack', '-adbq'], { cwd: made.bare });
  const main = await git(['rev-parse', 'main'], { cwd: made.bare });
  const pack = await fetched(made, { wants: [main] });
  assert.deepEqual(await objectsIn(made, pack), await reachable(made, main));
  // Not even when it was fine for somebody else, nor after the branch is gone.
  await fetched(made);
  assert.equal(composed(made), 1);
  await commit(made, 'main', { more: randomBytes(10) });
  await git(['update-ref', '-d', 'refs/heads/secret'], { cwd: made.bare });
  assert.deepEqual(await objectsIn(made, await fetched(made)), await reachable(made));
  assert.equal(composed(made), 1);
});

test('a tag that is gone takes the pack that has it with it', async () => {
  const made = await scene();
  await git(['tag', '-a', '-m', 'a secret in a message', 'v1', 'main'], { cwd: made.bare });
  await git(['repack', '-adbq'], { cwd: made.bare });
  await fetched(made);
  await git(['tag', '-d', 'v1'], { cwd: made.bare });
  await commit(made, 'main', { more: randomBytes(10) });
  assert.deepEqual(await objectsIn(made, await fetched(made)), await reachable(made));
  assert.equal(composed(made), 1);
});

test('a base pack that is replaced or removed fails nobody', async () => {
  const made = await scene();
  await git(['repack', '-adbq'], { cwd: made.bare });
  await commit(made, 'main', { more: randomBytes(10) });
  const first = await fetched(made);
  await git(['repack', '-adbq'], { cwd: made.bare });
  const [base = ''] = packs(made);
  const removed = await fetched(made, {}, () => rmSync(base, { force: true }));
  assert.deepEqual(await objectsIn(made, removed), await objectsIn(made, first));
});

test('only a client that wants everything gets a composed pack', async () => {
  const made = await scene();
  await git(['repack', '-adbq'], { cwd: made.bare });
  const [wants, first] = await Promise.all([
    tips(made),
    git(['rev-list', '--max-parents=0', 'main'], { cwd: made.bare }),
  ]);
  for (const request of [
    { haves: [first] },
    { newShallows: wants },
    { clientShallows: [first] },
    { filter: 'blob:none' },
    { ofsDelta: false },
  ]) {
    assert.ok((await fetched(made, { wants, ...request })).length > 0);
  }
  assert.equal(composed(made), 0);
});

test('a clone of one branch is composed with the tags on it, and goes another way where not all are', async () => {
  const made = await scene();
  const { bare } = made;
  await git(['tag', '-a', '-m', 'a tag', 'v1', 'main~2'], { cwd: bare });
  await git(['tag', '-a', '-m', 'a tag of a tag', 'v1-again', 'v1'], { cwd: bare });
  await git(['repack', '-adbq'], { cwd: bare });
  const main = await commit(made, 'main', { more: randomBytes(10) });
  await git(['tag', '-a', '-m', 'a later tag', 'v2', 'main'], { cwd: bare });
  const wants = [main];
  for (const expected of [1, 2]) {
    assert.deepEqual(await objectsIn(made, await fetched(made, { wants })), await reachable(made));
    assert.equal(composed(made), expected);
  }
  // Without its tags the base has more than was asked for.
  const bareOfTags = await fetched(made, { wants, includeTag: false });
  assert.deepEqual(await objectsIn(made, bareOfTags), await reachable(made, main));
  // A tag on another branch is not sent, a tag of a blob is, and both are for git to find out.
  await commit(made, 'other', { other: randomBytes(10) });
  const asked = await reachable(made, main, 'refs/tags/v1-again', 'refs/tags/v2');
  for (const target of ['other', 'main:file0']) {
    await git(['tag', '-f', '-a', '-m', 'elsewhere', 'v3', target], { cwd: bare });
    const v3 = await git(['rev-parse', 'v3'], { cwd: bare });
    const expected = target === 'other' ? asked : [...asked, v3].toSorted();
    assert.deepEqual(await objectsIn(made, await fetched(made, { wants })), expected);
  }
  assert.equal(composed(made), 2);
});

/** Knows how often objects were listed. */
class CountingRunner extends GitRunner {
  lists = 0;

  override start(...given: Parameters<GitRunner['start']>): ReturnType<GitRunner['start']> {
    if (given[0].args[0] === 'rev-list') this.lists += 1;
    return super.start(...given);
  }
}

test('what is known of a base outlives the server, and goes with its pack', async () => {
  const made = await scene();
  await git(['repack', '-adbq'], { cwd: made.bare });
  await fetched(made);
  const restarted = async (): Promise<{ again: Scene; git: CountingRunner }> => {
    const runner = new CountingRunner({ timeoutMs: 60_000 });
    const parts = { packCachePath: made.packCachePath, git: runner };
    const storage = testStorage(parts, { basePackMinBytes: 0 });
    after(() => storage.composer?.close());
    const repository = await openDiskRepository(made.bare, 'shared', storage);
    return { again: { ...made, storage, repository }, git: runner };
  };
  const first = await restarted();
  await commit(made, 'topic', { more: randomBytes(10) });
  assert.deepEqual(await objectsIn(made, await fetched(first.again)), await reachable(made));
  assert.deepEqual([composed(first.again), first.git.lists], [1, 0]);
  // Another pack is looked at anew.
  await git(['repack', '-adbq'], { cwd: made.bare });
  const second = await restarted();
  assert.deepEqual(await objectsIn(made, await fetched(second.again)), await reachable(made));
  assert.equal(composed(second.again), 1);
  assert.ok(second.git.lists > 0);
});

test('eight clones after a push are composed once', async () => {
  const made = await scene();
  await git(['repack', '-adbq'], { cwd: made.bare });
  await fetched(made);
  await commit(made, 'main', { more: randomBytes(10) });
  const wants = await tips(made);
  const all = await Promise.all(Array.from({ length: 8 }, () => fetched(made, { wants })));
  for (const pack of all) assert.ok(pack.equals(all[0] ?? Buffer.alloc(0)));
  assert.deepEqual(await objectsIn(made, all[0] ?? Buffer.alloc(0)), await reachable(made));
  assert.equal(made.storage.composer?.made, 2);
});

/** Moves `main` on through the server, which hears of it. */
async function pushed(made: Scene, file: string): Promise<void> {
  const oldOid = await git(['rev-parse', 'main'], { cwd: made.bare });
  const newOid = await commit(made, 'aside', { [file]: randomBytes(100) });
  await git(['update-ref', '-d', 'refs/heads/aside'], { cwd: made.bare });
  const by = { name: 'Ann', email: 'ann@example.org' };
  const commands = [{ name: 'refs/heads/main', oldOid, newOid }];
  const [result] = await made.repository.updateRefs(commands, { atomic: true, by, message: 'push' });
  assert.equal(result?.status, 'ok');
}

test('while a repository is being cloned, what the next clone asks for is composed when a push has landed', async () => {
  const made = await scene();
  const { composer } = made.storage;
  await git(['repack', '-adbq'], { cwd: made.bare });
  await git(['branch', 'aside', 'main'], { cwd: made.bare });
  await pushed(made, 'unseen');
  assert.equal(composer?.made, 0);
  await fetched(made);
  for (const [at, file] of ['one', 'two', 'three'].entries()) {
    await git(['branch', 'aside', 'main'], { cwd: made.bare });
    await pushed(made, file);
    await waitUntil('a composed pack', () => composer?.made === at + 2);
  }
  assert.deepEqual(await objectsIn(made, await fetched(made)), await reachable(made));
  assert.deepEqual([composer?.made, composer?.served], [4, 2]);
});
