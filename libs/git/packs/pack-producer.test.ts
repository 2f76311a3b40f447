import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { hasCode, type Oid } from '#base';
import type { PackPart, PackRequest } from '#wire';
import { newBareRepository, openDiskRepository, served, testStorage } from '#test/disk-repository';
import { commitFiles, fsck, git, gitFails, newWorkTree, tryGit } from '#test/git';
import { plainHttp } from '#test/plain-doors';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';

/** Twelve commits on main, a day apart, with tags; big enough a blob that a pack does not fit into a pipe. */
let bare: string;
let oids: Oid[];

before(async () => {
  bare = await newBareRepository();
  const work = await newWorkTree();
  oids = [await git(['rev-parse', 'HEAD'], { cwd: work })];
  for (let index = 1; index < 12; index += 1) {
    const date = `${1_700_000_000 + index * 86_400} +0000`;
    await git(['config', 'user.name', 'T'], { cwd: work });
    await commitFiles(work, { [`dir/file${index}.bin`]: randomBytes(100_000) }, `commit ${index}`);
    await git(['commit', '--quiet', '--amend', '--no-edit', '--date', date], {
      cwd: work,
      env: { GIT_COMMITTER_DATE: date },
    });
    oids.push(await git(['rev-parse', 'HEAD'], { cwd: work }));
  }
  await git(['tag', '-a', '-m', 'tag', 'v5', oids[5] ?? ''], { cwd: work });
  await git(['push', '--quiet', bare, 'main', '--tags'], { cwd: work });
});

function request(overrides: Partial<PackRequest>): PackRequest {
  return {
    wants: [],
    haves: [],
    clientShallows: [],
    newShallows: [],
    unshallows: [],
    thinPack: false,
    ofsDelta: true,
    includeTag: false,
    progress: false,
    ...overrides,
  };
}

async function collected(
  parts: AsyncIterable<PackPart>,
): Promise<{ readonly pack: Buffer; readonly progress: string }> {
  const pack: Uint8Array[] = [];
  let progress = '';
  for await (const part of parts) {
    if (part.kind === 'data') pack.push(part.bytes);
    else progress += Buffer.from(part.bytes).toString();
  }
  return { pack: Buffer.concat(pack), progress };
}

/** The objects of a pack that is complete in itself. */
async function objectsIn(pack: Buffer): Promise<Set<Oid>> {
  const empty = await newBareRepository();
  const indexed = await tryGit(['index-pack', '--stdin', '--fix-thin'], { cwd: empty, input: pack });
  assert.equal(indexed.code, 0, indexed.stderr);
  const listed = await git(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'], {
    cwd: empty,
  });
  return new Set(listed.split('\n'));
}

async function revList(...args: readonly string[]): Promise<Set<Oid>> {
  const listed = await git(['rev-list', '--objects', '--no-object-names', ...args], { cwd: bare });
  return new Set(listed.split('\n'));
}

test('a pack holds exactly what is wanted and not yet there', async () => {
  const uploadPack = await (await openDiskRepository(bare)).uploadPack();
  const never = new AbortController().signal;
  const [old = '', head = ''] = [oids[5], oids[11]];
  const all = await collected(uploadPack.pack(request({ wants: [head] }), never));
  assert.deepEqual(await objectsIn(all.pack), await revList(head));
  assert.equal(all.progress, '');
  const some = await collected(
    uploadPack.pack(request({ wants: [head], haves: [old], progress: true }), never),
  );
  assert.deepEqual(await objectsIn(some.pack), await revList(head, `^${old}`));
  assert.match(some.progress, /Compressing objects: 100%|Total/);
  const tagged = await collected(uploadPack.pack(request({ wants: [old], includeTag: true }), never));
  assert.ok((await objectsIn(tagged.pack)).has(await git(['rev-parse', 'v5'], { cwd: bare })));
  const blobless = await collected(uploadPack.pack(request({ wants: [head], filter: 'blob:none' }), never));
  assert.deepEqual(await objectsIn(blobless.pack), await revList('--filter=blob:none', head));
});

test('real git clones shallow, deepens, goes back in time and unshallows', async () => {
  await using server = await plainHttp(await served(await openDiskRepository(bare)));
  const clone = join(temporaryDirectory('clone'), 'clone');
  const count = (): Promise<string> => git(['rev-list', '--count', 'origin/main'], { cwd: clone });
  await git(['clone', '--quiet', '--depth=2', server.url, clone]);
  assert.equal(await count(), '2');
  await git(['fetch', '--quiet', '--deepen=3'], { cwd: clone });
  assert.equal(await count(), '5');
  await git(['fetch', '--quiet', '--depth=1'], { cwd: clone });
  assert.equal(await count(), '1');
  await git(['fetch', '--quiet', `--shallow-since=${1_700_000_000 + 4 * 86_400 - 1}`], { cwd: clone });
  assert.equal(await count(), '8');
  await git(['fetch', '--quiet', '--shallow-exclude=v5'], { cwd: clone });
  assert.equal(await count(), '6');
  await fsck(clone);
  await git(['fetch', '--quiet', '--unshallow'], { cwd: clone });
  assert.equal(await count(), '12');
  await fsck(clone);
  assert.match(
    await gitFails(['fetch', '--shallow-exclude=nowhere'], { cwd: clone }),
    /deepen-not is not a ref: deepen-not nowhere/,
  );
  assert.match(
    await gitFails(['fetch', '--shallow-since=2100-01-01'], { cwd: clone }),
    /no commits selected/,
  );
});

test('a partial clone gets missing blobs when it needs them', async () => {
  await using server = await plainHttp(await served(await openDiskRepository(bare)));
  const clone = join(temporaryDirectory('clone'), 'clone');
  await git(['clone', '--quiet', '--filter=blob:none', '--no-checkout', server.url, clone]);
  const missing = await git(['rev-list', '--objects', '--missing=print', 'HEAD'], { cwd: clone });
  assert.match(missing, /^\?/m);
  await git(['checkout', '--quiet', 'main'], { cwd: clone });
  const expected = await tryGit(['cat-file', 'blob', 'main:dir/file3.bin'], { cwd: bare });
  assert.deepEqual(readFileSync(join(clone, 'dir/file3.bin')), expected.stdout);
});

test('a repository that is itself shallow serves what it has', async () => {
  const shallow = join(temporaryDirectory('shallow'), 'shallow.git');
  await git(['clone', '--quiet', '--bare', '--depth=4', `file://${bare}`, shallow]);
  const repository = await openDiskRepository(shallow, 'shared');
  await using server = await plainHttp(await served(repository));
  const clone = join(temporaryDirectory('clone'), 'clone');
  await git(['clone', '--quiet', server.url, clone]);
  assert.equal(await git(['rev-list', '--count', 'HEAD'], { cwd: clone }), '4');
  await fsck(clone);
  const deepest = oids[8] ?? '';
  const uploadPack = await repository.uploadPack();
  assert.deepEqual(await uploadPack.shallows(), new Set([deepest]));
  assert.deepEqual((await uploadPack.commitNode(deepest))?.parents, []);
});

test('leaving early, or an abort, stops the producer', async () => {
  const storage = testStorage();
  const uploadPack = await (await openDiskRepository(bare, 'owned', storage)).uploadPack();
  const wants = [oids[11] ?? ''];
  for await (const part of uploadPack.pack(request({ wants }), new AbortController().signal)) {
    assert.equal(part.kind, 'data');
    assert.equal(storage.producers.running, 1);
    break;
  }
  assert.equal(storage.producers.running, 0);
  const leaving = new AbortController();
  const parts = uploadPack.pack(request({ wants }), leaving.signal)[Symbol.asyncIterator]();
  await parts.next();
  leaving.abort();
  await assert.rejects(
    async () => {
      while ((await parts.next()).done !== true);
    },
    (error) => hasCode(error, 'cancelled'),
  );
  assert.equal(storage.producers.running, 0);
});

test('fetches past the limits of the node wait, and are told to come back when too many wait', async () => {
  const storage = testStorage({}, { maxPackProducers: 1, maxPackProducerQueue: 1 });
  const uploadPack = await (await openDiskRepository(bare, 'owned', storage)).uploadPack();
  const start = (): AsyncIterator<PackPart> => {
    const parts = uploadPack.pack(request({ wants: [oids[11] ?? ''] }), new AbortController().signal);
    return parts[Symbol.asyncIterator]();
  };
  const first = start();
  await first.next();
  const second = start();
  const waiting = second.next();
  await waitUntil('the second to wait', () => storage.producers.waiting === 1);
  await assert.rejects(
    async () => start().next(),
    (error) => hasCode(error, 'unavailable'),
  );
  await first.return?.();
  assert.equal((await waiting).value?.kind, 'data');
  await second.return?.();
});

test('a want that does not exist is an error and no empty pack', async () => {
  const uploadPack = await (await openDiskRepository(bare)).uploadPack();
  const parts = uploadPack.pack(request({ wants: ['12'.repeat(20)] }), new AbortController().signal);
  await assert.rejects(collected(parts), (error) => hasCode(error, 'data_loss'));
});

test('reachable means an ancestor of one of the tips', async () => {
  const work = join(temporaryDirectory('work'), 'work');
  await git(['clone', '--quiet', bare, work]);
  const unpushed = await commitFiles(work, { x: 'x' });
  const copy = join(temporaryDirectory('copy'), 'copy.git');
  await git(['clone', '--quiet', '--bare', bare, copy]);
  await git(['push', '--quiet', copy, `${unpushed}:refs/hidden/x`], { cwd: work });
  const uploadPack = await (await openDiskRepository(copy, 'shared')).uploadPack();
  const tip = await git(['rev-parse', 'HEAD'], { cwd: copy });
  const reachable = (...wants: readonly string[]): Promise<boolean> => uploadPack.reachable(wants, [tip]);
  assert.equal(await reachable(oids[0] ?? '', oids[7] ?? ''), true);
  assert.equal(await reachable(unpushed), false);
  assert.equal(await reachable(oids[0] ?? '', unpushed), false);
  assert.equal(await reachable('12'.repeat(20)), false);
});
