import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ObjectFormat, Oid } from '#base';
import { DiskRepository, type Storage } from '#git';
import { newBareRepository, testStorage } from '#test/disk-repository';
import { git, tryGit } from '#test/git';
import { randomHistory } from '#test/random-history';
import { temporaryDirectory } from '#test/temporary';
import { ObjectCache } from '../objects/object-cache.ts';
import { RepositoryObjects } from '../objects/repository-objects.ts';

const never = new AbortController().signal;

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

async function fetched(
  repository: DiskRepository,
  wants: readonly Oid[],
  includeTag: boolean,
): Promise<Buffer> {
  const uploadPack = await repository.uploadPack();
  const request = {
    wants,
    haves: [],
    clientShallows: [],
    newShallows: [],
    unshallows: [],
    thinPack: true,
    ofsDelta: true,
    includeTag,
    progress: false,
  };
  const chunks: Buffer[] = [];
  for await (const part of uploadPack.pack(request, never)) {
    if (part.kind === 'data') chunks.push(Buffer.from(part.bytes));
    part.release?.();
  }
  return Buffer.concat(chunks);
}

async function packedByGit(bare: string, wants: readonly Oid[], includeTag: boolean): Promise<Buffer> {
  const args = ['pack-objects', '--revs', '--stdout', '-q', ...(includeTag ? ['--include-tag'] : [])];
  return (await tryGit(args, { cwd: bare, input: `${wants.join('\n')}\n` })).stdout;
}

/** The ids in a pack, which must be complete in itself. */
async function objectsIn(pack: Buffer, format: ObjectFormat): Promise<readonly Oid[]> {
  const empty = await newBareRepository(format);
  const indexed = await tryGit(['index-pack', '--strict', '--stdin'], { cwd: empty, input: pack });
  assert.equal(indexed.code, 0, indexed.stderr);
  const batch = ['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'];
  return lines(await git(batch, { cwd: empty })).toSorted();
}

/** A repository whose base pack has what `tips` of a history reach; the rest came later, loose or in packs. */
async function grown(
  history: string,
  format: ObjectFormat,
  tips: readonly Oid[],
  isLoose: boolean,
): Promise<string> {
  const bare = await newBareRepository(format);
  const refspecs = tips.map((oid) => `${oid}:refs/heads/base-${oid}`);
  await git(['fetch', '--quiet', '--no-tags', history, ...refspecs], { cwd: bare });
  await git(['repack', '-adbq'], { cwd: bare });
  const limit = `fetch.unpackLimit=${isLoose ? 10_000 : 1}`;
  await git(['-c', limit, 'fetch', '--quiet', history, '+refs/*:refs/*'], { cwd: bare });
  return bare;
}

async function opened(bare: string, format: ObjectFormat, storage: Storage): Promise<RepositoryObjects> {
  const { git: runner, settings } = storage;
  const cache = new ObjectCache({ maxBytes: 1_000_000, maxEntryBytes: 100_000 }).of(bare);
  return await RepositoryObjects.open({ gitDir: bare, objectFormat: format, git: runner, settings, cache });
}

test('a composed clone of a random history has what git would send, object for object', async () => {
  let composed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 1_000_000 }),
      fc.constantFrom<ObjectFormat>('sha1', 'sha1', 'sha256'),
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      async (seed, format, isLoose, includeTag, picks) => {
        const history = await randomHistory(seed, { format });
        const commits = lines(await git(['rev-list', '--all', '--reverse'], { cwd: history }));
        const pick = (at: number): Oid => commits[at % commits.length] ?? '';
        const tips = [...new Set(picks.map((at) => pick(at % Math.ceil(commits.length / 2))))];
        const bare = await grown(history, format, tips, isLoose);
        const storage = testStorage(
          { packCachePath: join(temporaryDirectory('cache'), 'packs') },
          { basePackMinBytes: 0 },
        );
        const objects = await opened(bare, format, storage);
        const options = { id: bare, gitDir: bare, mode: 'shared', objects, maxCommands: 10 } as const;
        const repository = await DiskRepository.open(storage, options);
        const all = lines(await git(['for-each-ref', '--format=%(objectname)'], { cwd: bare }));
        // Everything, everything once more from what is known by then, and what need not reach the base.
        for (const wants of [
          [...new Set(all)],
          tips,
          [pick(picks[0] ?? 0)],
          [...new Set(all)].toReversed(),
        ]) {
          const expected = await packedByGit(bare, wants, includeTag);
          assert.deepEqual(
            await objectsIn(await fetched(repository, wants, includeTag), format),
            await objectsIn(expected, format),
          );
        }
        composed += storage.composer?.served ?? 0;
        await storage.composer?.close();
        await storage.packCache?.close();
        await objects[Symbol.asyncDispose]();
      },
    ),
    { numRuns: 8 },
  );
  assert.ok(composed >= 8, `${composed} clones were composed`);
});
