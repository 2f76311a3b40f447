import assert from 'node:assert/strict';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type ObjectFormat, readSettings } from '#base';
import { newBareRepository } from '#test/disk-repository';
import { git, tryGit } from '#test/git';
import { randomHistory } from '#test/random-history';
import { temporaryDirectory } from '#test/temporary';
import { GitRunner } from '../process/git-runner.ts';
import { ObjectCache } from './object-cache.ts';
import { RepositoryObjects } from './repository-objects.ts';

function open(
  gitDir: string,
  objectFormat: ObjectFormat,
  parts: { readonly git?: GitRunner; readonly maxObjectBytes?: number; readonly cacheBytes?: number } = {},
): Promise<RepositoryObjects> {
  const settings = readSettings().git;
  const { cacheBytes = settings.objectCacheBytes } = parts;
  return RepositoryObjects.open({
    gitDir,
    objectFormat,
    git: parts.git ?? new GitRunner({ timeoutMs: settings.gitTimeoutMs }),
    settings: { maxObjectBytes: parts.maxObjectBytes ?? settings.maxObjectBytes },
    cache: new ObjectCache({ maxBytes: cacheBytes, maxEntryBytes: cacheBytes }).of(gitDir),
  });
}

/** Nothing is remembered, so every question goes to the handle. */
const uncached = { cacheBytes: 0 };

async function addBlob(gitDir: string, content: string | Uint8Array): Promise<string> {
  const written = await tryGit(['hash-object', '-w', '--stdin'], { cwd: gitDir, input: content });
  return written.stdout.toString().trim();
}

async function allObjects(gitDir: string): Promise<string[][]> {
  const args = ['cat-file', '--batch-all-objects', '--batch-check=%(objectname) %(objecttype) %(objectsize)'];
  return (await git(args, { cwd: gitDir })).split('\n').map((line) => line.split(' '));
}

for (const format of ['sha1', 'sha256'] as const) {
  const digits = format === 'sha1' ? 40 : 64;

  describe(`the objects of a ${format} repository`, () => {
    test('headers, existence and abbreviations are what git says', async () => {
      const path = await randomHistory(11, { format });
      await using objects = await open(path, format);
      const all = await allObjects(path);
      assert.ok(all.length > 30);
      for (const [oid = '', kind, size] of all) {
        assert.deepEqual(await objects.header(oid), { kind, sizeBytes: Number(size) });
        assert.equal(await objects.expand(oid.slice(0, 16)), oid);
      }
      const missing = Array.from({ length: 700 }, (_, index) => index.toString(16).padStart(digits, '0'));
      const oids = all.map(([oid = '']) => oid);
      assert.deepEqual(await objects.existing([...missing, ...oids]), new Set(oids));
      assert.equal(await objects.header(missing[0] ?? ''), undefined);
      assert.equal(await objects.expand('0'.repeat(20)), undefined);
    });

    test('an abbreviation of several objects is refused as ambiguous', async () => {
      const path = await newBareRepository(format);
      const seen = new Map<string, string>();
      // Four digits repeat before long.
      let prefix: string | undefined;
      for (let batch = 0; prefix === undefined; batch += 1) {
        const dir = temporaryDirectory('blobs');
        const files = Array.from({ length: 100 }, (_, index) => join(dir, `${index}`));
        for (const [index, file] of files.entries()) writeFileSync(file, `blob ${batch} ${index}`);
        const input = `${files.join('\n')}\n`;
        const made = await tryGit(['hash-object', '-w', '--stdin-paths'], { cwd: path, input });
        for (const oid of made.stdout.toString().trim().split('\n')) {
          if (seen.has(oid.slice(0, 4))) prefix ??= oid.slice(0, 4);
          seen.set(oid.slice(0, 4), oid);
        }
      }
      await using objects = await open(path, format);
      await assert.rejects(objects.expand(prefix), { code: 'invalid_argument' });
    });

    test('tags are peeled to the end, and commits know their parents and time', async () => {
      const path = await randomHistory(12, { format });
      await using objects = await open(path, format);
      const [tag, tagged, head] = (
        await git(['rev-parse', 'v1-of-tag', 'v1^{}', 'HEAD'], { cwd: path })
      ).split('\n');
      assert.equal(await objects.peelTag(tag ?? ''), tagged);
      assert.equal(await objects.peelTag(head ?? ''), undefined);
      assert.equal(await objects.peelTag('0'.repeat(digits)), undefined);
      const commits = await git(['log', '--all', '--format=%H %ct %P'], { cwd: path });
      for (const line of commits.split('\n')) {
        const [oid = '', seconds, ...parents] = line.trimEnd().split(' ');
        assert.deepEqual(await objects.commitNode(oid), {
          oid,
          parents,
          committerTimeSeconds: Number(seconds),
        });
      }
      assert.deepEqual(await objects.commitNode(tag ?? ''), await objects.commitNode(tagged ?? ''));
      const tree = await git(['rev-parse', 'HEAD^{tree}'], { cwd: path });
      assert.equal(await objects.commitNode(tree), undefined);
    });

    test('what another process adds after the handle was opened is seen, loose and packed', async () => {
      const path = await newBareRepository(format);
      await using objects = await open(path, format, uncached);
      const loose = await addBlob(path, 'loose');
      assert.equal((await objects.readBlob(loose))?.toString(), 'loose');
      const source = await randomHistory(13, { format });
      await git(['fetch', '--quiet', source, '+refs/*:refs/*'], { cwd: path });
      const head = await git(['rev-parse', 'refs/heads/main'], { cwd: path });
      assert.deepEqual(await objects.existing([head, loose]), new Set([head, loose]));
      assert.equal((await objects.findCommit(head))?.oid, head);
      assert.equal((await objects.header(head))?.kind, 'commit');
    });

    test('all is still found after a repack that removed the packs the handle knew, read from or not', async () => {
      for (const opened of [true, false]) {
        const path = await randomHistory(14, { format });
        await using objects = await open(path, format, uncached);
        const all = await allObjects(path);
        const readAll = async (some: readonly string[][]): Promise<void> => {
          for (const [oid = '', kind] of some) {
            assert.equal((await objects.header(oid))?.kind, kind);
            if (kind === 'commit') assert.ok(await objects.findCommit(oid));
            if (kind === 'tree') assert.ok(await objects.findTree(oid));
            if (kind === 'blob') assert.ok(await objects.readBlob(oid));
          }
        };
        if (opened) await readAll(all.slice(0, all.length / 2));
        await addBlob(path, 'makes another pack');
        await git(['repack', '-a', '-d', '-f', '-k', '--quiet'], { cwd: path });
        await git(['prune-packed'], { cwd: path });
        await readAll(all);
      }
    });

    test('existence is told even while reads never pause', async () => {
      const path = await randomHistory(20, { format });
      await using objects = await open(path, format, uncached);
      const oids = (await allObjects(path)).map(([oid = '']) => oid);
      const blobs = (await allObjects(path)).filter(([, kind]) => kind === 'blob').map(([oid = '']) => oid);
      const answered = new AbortController();
      const readers = Array.from({ length: 4 }, async () => {
        while (!answered.signal.aborted) for (const oid of blobs) await objects.readBlob(oid);
      });
      for (let times = 0; times < 5; times += 1) {
        assert.deepEqual(await objects.existing(oids), new Set(oids));
      }
      answered.abort();
      await Promise.all(readers);
    });

    test('objects of alternates are read', async () => {
      const source = await randomHistory(15, { format });
      const path = join(temporaryDirectory('borrowing'), 'borrowing.git');
      await git(['clone', '--quiet', '--bare', '--shared', source, path]);
      assert.deepEqual(readdirSync(join(path, 'objects/pack')), []);
      await using objects = await open(path, format);
      const head = await git(['rev-parse', 'HEAD'], { cwd: path });
      assert.equal((await objects.commit(head)).oid, head);
      assert.deepEqual(await objects.existing([head]), new Set([head]));
    });

    test('an object of another kind is no answer, and one over the limit is refused', async () => {
      const path = await randomHistory(16, { format });
      await using objects = await open(path, format, { maxObjectBytes: 10 });
      const [head = '', tree = ''] = (await git(['rev-parse', 'HEAD', 'HEAD^{tree}'], { cwd: path })).split(
        '\n',
      );
      assert.equal(await objects.readBlob(await addBlob(path, '')).then((bytes) => bytes?.length), 0);
      await assert.rejects(objects.commit(head), { code: 'resource_exhausted' });
      await assert.rejects(objects.commit(tree), { code: 'invalid_argument' });
      await assert.rejects(objects.commit('0'.repeat(digits)), { code: 'not_found' });
    });

    test('a closed handle answers nothing any more', async () => {
      const path = await randomHistory(17, { format });
      const objects = await open(path, format, uncached);
      const head = await git(['rev-parse', 'HEAD'], { cwd: path });
      const running = objects.findCommit(head);
      await Promise.all([objects[Symbol.asyncDispose](), running.catch(() => undefined)]);
      await assert.rejects(objects.findCommit(head), { code: 'unavailable' });
      await assert.rejects(objects.header(head), { code: 'unavailable' });
      await objects[Symbol.asyncDispose]();
    });
  });
}

test('an object that is damaged on disk is reported as lost data, others are read', async () => {
  const path = await newBareRepository();
  const damaged = await addBlob(path, 'damaged');
  const sound = await addBlob(path, 'sound');
  const file = join(path, 'objects', damaged.slice(0, 2), damaged.slice(2));
  chmodSync(file, 0o644);
  writeFileSync(file, 'nothing that zlib knows');
  await using objects = await open(path, 'sha1');
  await assert.rejects(objects.readBlob(damaged), { code: 'data_loss' });
  assert.equal((await objects.readBlob(sound))?.toString(), 'sound');
});

test('after the helper process has died the next question starts another', async () => {
  const path = await randomHistory(18);
  const directory = temporaryDirectory('flaky-git');
  const binary = join(directory, 'git');
  // Dies at its first question, the first time.
  const script = `#!/bin/sh\nif mkdir ${directory}/once 2>/dev/null; then read line; exit 3; fi\nexec git "$@"\n`;
  writeFileSync(binary, script, { mode: 0o755 });
  await using objects = await open(path, 'sha1', { git: new GitRunner({ binary, timeoutMs: 60_000 }) });
  const head = await git(['rev-parse', 'HEAD'], { cwd: path });
  await assert.rejects(objects.header(head), { code: 'internal' });
  assert.equal((await objects.header(head))?.kind, 'commit');
});

test('repository config cannot keep a repository from being read', async () => {
  const path = await randomHistory(19);
  await git(['config', 'core.repositoryformatversion', '1'], { cwd: path });
  await git(['config', 'extensions.partialclone', 'origin'], { cwd: path });
  await git(['config', 'core.hooksPath', '/nonexistent'], { cwd: path });
  await using objects = await open(path, 'sha1');
  const head = await git(['rev-parse', 'HEAD'], { cwd: path });
  assert.equal((await objects.commit(head)).oid, head);
});
