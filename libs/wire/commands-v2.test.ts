import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { UploadPackPolicy } from './repository.ts';
import { MemoryRepository, oidOf } from './testing/memory-repository.ts';
import { converse, packets, transcript } from './testing/transcript.ts';
import { serveUploadPack } from './upload-pack.ts';

const [a, b] = [oidOf('a'), oidOf('b')];

function repositoryWith(policy: Partial<UploadPackPolicy> = {}): MemoryRepository {
  const repository = new MemoryRepository().graph({ a: [], b: ['a'] }).branches({ 'refs/heads/main': 'b' });
  repository.uploadPolicy = { ...repository.uploadPolicy, ...policy };
  return repository;
}

/** The lines of the answer to one dialogue, sent whole and byte by byte. */
async function answered(repository: MemoryRepository, ...lines: readonly string[]): Promise<string[]> {
  const [whole, bytewise] = await Promise.all(
    [undefined, 1].map(async (chunkBytes) =>
      transcript(
        await converse((c, o) => serveUploadPack(repository, c, o), packets(...lines), {
          version: 2,
          stateless: false,
          ...(chunkBytes === undefined ? {} : { chunkBytes }),
        }),
      ),
    ),
  );
  assert.deepEqual(bytewise, whole);
  return whole ?? [];
}

test('promisor remotes are accepted once for the whole dialogue, and only those that are there', async () => {
  const policy = { promisorAdvertisement: 'name=lop,url=u', promisorRemotes: ['lop'] };
  for (const [accepted, expected] of [
    ['lop', true],
    ['other;l%6fp', true],
    ['other', undefined],
  ] as const) {
    const repository = repositoryWith(policy);
    const list = ['command=ls-refs', `promisor-remote=${accepted}`, '0001', '0000'];
    await answered(repository, ...list, 'command=fetch', '0001', `want ${b}`, 'done', '0000');
    assert.deepEqual(
      repository.packRequests.map((request) => request.allowMissingPromised),
      [expected, expected],
    );
  }
});

describe('object-info', () => {
  const here = (): MemoryRepository => repositoryWith({ advertiseObjectInfo: true });

  test('tells sizes, and of what is not here nothing', async () => {
    const ask = [
      'command=object-info',
      'object-format=sha1',
      '0001',
      'size',
      `oid ${a}`,
      `oid ${oidOf('?')}`,
      '0000',
    ];
    assert.deepEqual(await answered(here(), ...ask), ['size', `${a} 40`, `${oidOf('?')} `, '0000']);
    assert.deepEqual(await answered(here(), 'command=object-info', '0001', `oid ${a}`, '0000'), [a, '0000']);
    assert.deepEqual(await answered(here(), 'command=object-info', '0001', 'size', '0000'), ['0000']);
  });

  test('refuses what is no question', async () => {
    for (const [line, error] of [
      ['oid x', "object-info: protocol error, expected to get oid, not 'x'"],
      ['type', "object-info: unexpected line: 'type'"],
    ] as const)
      assert.deepEqual(await answered(here(), 'command=object-info', '0001', line, '0000'), [`ERR ${error}`]);
    assert.deepEqual(await answered(here(), 'command=object-info', '0001', '0001'), [
      'ERR object-info: expected flush after arguments',
    ]);
  });
});

test('bundle-uri gives the list as it is', async () => {
  const repository = repositoryWith({ advertiseBundleUris: true });
  assert.deepEqual(await answered(repository, 'command=bundle-uri', '0000'), ['0000']);
  repository.bundles = [
    ['bundle.version', '1'],
    ['bundle.base.uri', '/base?x=1'],
  ];
  assert.deepEqual(await answered(repository, 'command=bundle-uri', '0001', '0000'), [
    'bundle.version=1',
    'bundle.base.uri=/base?x=1',
    '0000',
  ]);
});

test('what was not offered is not understood', async () => {
  for (const [line, error] of [
    ['command=object-info', "invalid command 'object-info'"],
    ['command=bundle-uri', "invalid command 'bundle-uri'"],
    ['command=fetch=shallow', "invalid command 'fetch=shallow'"],
    ['session-id=x', "unknown capability 'session-id=x'"],
    ['promisor-remote=lop', "unknown capability 'promisor-remote=lop'"],
    ['fetch=shallow', "unknown capability 'fetch=shallow'"],
    ['object-format', 'object-format capability requires an argument'],
  ] as const)
    assert.deepEqual(await answered(repositoryWith(), line, '0000'), [`ERR ${error}`]);
  const multiple = ['command=fetch', '0001', 'sideband-all', 'packfile-uris a', 'packfile-uris b', '0000'];
  const policy = { allowPackfileUris: true, allowSidebandAll: true };
  assert.deepEqual(await answered(repositoryWith(policy), ...multiple), [
    'ERR multiple packfile-uris lines forbidden',
  ]);
});
