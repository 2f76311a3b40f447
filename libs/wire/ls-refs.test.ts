import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode } from '#base';
import { git, newWorkTree, tryGit } from '#test/git';
import { PlainRepository } from '#test/plain-repository';
import { temporaryDirectory } from '#test/temporary';
import { lsRefsAnswer, parseLsRefs } from './ls-refs.ts';
import { type MemoryRepository, oidOf, snapshotOf } from './testing/memory-repository.ts';
import { converse, packets, transcript } from './testing/transcript.ts';
import { serveUploadPack } from './upload-pack.ts';

function request(...args: string[]): Buffer {
  return packets('command=ls-refs\n', 'agent=git/test', 'object-format=sha1', '0001', ...args, '0000');
}

async function ours(repository: PlainRepository | MemoryRepository, input: Buffer): Promise<Buffer> {
  return converse((conversation, options) => serveUploadPack(repository, conversation, options), input, {
    version: 2,
  });
}

describe('ls-refs answers what git answers', () => {
  let repository: PlainRepository;
  let unborn: PlainRepository;

  before(async () => {
    const bare = join(temporaryDirectory('ls-refs'), 'bare.git');
    const work = await newWorkTree();
    await git(['init', '--quiet', '--bare', bare]);
    await git(['tag', '-a', '-m', 'one', 'v1'], { cwd: work });
    await git(['tag', '-a', '-m', 'two', 'v2', 'v1'], { cwd: work });
    for (const branch of ['dev', 'main2', 'feature/a', 'feature/b', 'é'])
      await git(['branch', branch], { cwd: work });
    await git(['push', '--quiet', '--mirror', bare], { cwd: work });
    await git(['symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/heads/dev'], { cwd: bare });
    await git(['config', 'transfer.hideRefs', 'refs/heads/feature/b'], { cwd: bare });
    repository = new PlainRepository(bare);
    repository.uploadPolicy = { ...repository.uploadPolicy, hiddenRefs: ['refs/heads/feature/b'] };
    const empty = join(temporaryDirectory('ls-refs'), 'empty.git');
    await git(['init', '--quiet', '--bare', empty]);
    unborn = new PlainRepository(empty);
  });

  async function real(asked: PlainRepository, input: Buffer): Promise<Buffer> {
    const env = { GIT_PROTOCOL: 'version=2' };
    const result = await tryGit(['upload-pack', '--stateless-rpc', asked.path], { input, env });
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  }

  const cases: readonly (readonly string[])[] = [
    [],
    ['peel'],
    ['symrefs'],
    ['peel', 'symrefs'],
    [
      'peel\n',
      'symrefs\n',
      'unborn\n',
      'ref-prefix refs/heads/\n',
      'ref-prefix refs/tags/\n',
      'ref-prefix HEAD\n',
    ],
    ['ref-prefix HEAD'],
    ['ref-prefix H', 'symrefs'],
    ['ref-prefix refs/heads/main'],
    ['ref-prefix refs/heads/main', 'ref-prefix refs/heads/'],
    ['ref-prefix refs/tags/', 'ref-prefix refs/heads/', 'peel'],
    ['ref-prefix refs/heads/feature/'],
    ['ref-prefix nothing'],
    ['ref-prefix '],
    ['ref-prefix refs/heads/é', 'ref-prefix refs/heads/dev', 'ref-prefix refs/heads/dev'],
    ['unborn'],
    ['unborn', 'symrefs'],
  ];
  for (const args of cases) {
    test(`to ${JSON.stringify(args)}`, async () => {
      const input = request(...args);
      for (const each of [repository, unborn]) {
        assert.deepEqual(await ours(each, input), await real(each, input));
      }
    });
  }
});

test('each of the refs that prefixes ask for is listed once, in order', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[abé]{1,4}$/), { maxLength: 12 });
  const prefixes = fc.array(fc.stringMatching(/^[abé]{0,3}$/), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(names, prefixes, (suffixes, wanted) => {
      const snapshot = snapshotOf(suffixes.map((name) => ({ name: `refs/heads/${name}`, oid: oidOf(name) })));
      const lines = wanted.map((prefix) => `ref-prefix refs/heads/${prefix}`);
      const answer = Buffer.concat([...lsRefsAnswer(snapshot, parseLsRefs(lines, 100), [], 0)]);
      const expected = snapshot.refs
        .filter((ref) => wanted.some((prefix) => ref.name.startsWith(`refs/heads/${prefix}`)))
        .map((ref) => `${ref.oid} ${ref.name}`);
      assert.deepEqual(transcript(answer), [...expected, '0000']);
    }),
  );
});

test('more prefixes than the limit list everything', () => {
  const snapshot = snapshotOf([{ name: 'refs/heads/main', oid: oidOf('a') }]);
  const lines = ['ref-prefix x', 'ref-prefix y', 'ref-prefix z'];
  const answer = Buffer.concat([...lsRefsAnswer(snapshot, parseLsRefs(lines, 2), [], 0)]);
  assert.deepEqual(transcript(answer), [`${oidOf('a')} HEAD`, `${oidOf('a')} refs/heads/main`, '0000']);
});

test('a form that comes again is answered with the very same bytes', () => {
  const snapshot = snapshotOf([{ name: 'refs/heads/main', oid: oidOf('a') }]);
  const parsed = parseLsRefs(['peel', 'ref-prefix refs/heads/'], 100);
  const [first] = lsRefsAnswer(snapshot, parsed, [], 1_000);
  const [again] = lsRefsAnswer(snapshot, parsed, [], 1_000);
  assert.ok(first !== undefined);
  assert.equal(again, first);
  const [other] = lsRefsAnswer(snapshot, parseLsRefs(['ref-prefix refs/heads/'], 100), [], first.length);
  assert.notEqual(other, first);
});

test('many refs come in several chunks that make one answer', () => {
  const refs = Array.from({ length: 5_000 }, (_, index) => ({
    name: `refs/heads/${index}`,
    oid: oidOf(`${index}`),
  }));
  const snapshot = snapshotOf(refs, {});
  const prefixes = Array.from({ length: 10 }, (_, index) => `ref-prefix refs/heads/${index}`);
  const chunks = [...lsRefsAnswer(snapshot, parseLsRefs(prefixes, 100), [], 1 << 20)];
  assert.ok(chunks.length > 1);
  assert.equal(transcript(Buffer.concat(chunks)).length, refs.length + 1);
});

test('an argument that ls-refs does not have is refused', () => {
  assert.throws(
    () => parseLsRefs(['peel', 'sort'], 100),
    (error) => hasCode(error, 'invalid_argument'),
  );
});
