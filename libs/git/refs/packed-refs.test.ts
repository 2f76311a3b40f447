import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode } from '#base';
import { fuzzRuns } from '#test/fuzz';
import type { Ref } from '#wire';
import { commitFiles, git, newWorkTree } from '#test/git';
import { parsePackedRefs, renderPackedRefs } from './packed-refs.ts';
import { compareRefNames } from './ref-name.ts';

const oid = (digit: string): string => digit.repeat(40);

function render(refs: readonly Ref[]): Buffer {
  return Buffer.concat([...renderPackedRefs(refs)]);
}

test('what is rendered is read back the same', () => {
  const hex = fc.stringMatching(/^[0-9a-f]{40}$/);
  const name = fc.stringMatching(/^[a-zA-Z0-9é😀\ue000]{1,8}$/u).map((text) => `refs/heads/${text}`);
  const ref = fc.record(
    { name, oid: hex, peeled: hex },
    { requiredKeys: ['name', 'oid'], noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.uniqueArray(ref, { selector: (each) => each.name, maxLength: 3000 }), (refs) => {
      const sorted = refs.toSorted((one, other) => compareRefNames(one.name, other.name));
      assert.deepEqual(parsePackedRefs(render(sorted), 'sha1'), { refs: sorted, peeling: 'all' });
    }),
    fuzzRuns(50),
  );
});

test('names sort by their bytes, as git sorts them', () => {
  const names = [
    'refs/heads/\ue000',
    'refs/heads/😀',
    'refs/heads/a',
    'refs/heads/é',
    'refs/heads/a-b',
    'refs/heads/a/b',
  ];
  const byBytes = names.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  assert.deepEqual(names.toSorted(compareRefNames), byBytes);
});

test('the file that git writes is understood, and git understands ours', async () => {
  const work = await newWorkTree();
  await git(['tag', '-a', '-m', 'annotated', 'v1'], { cwd: work });
  await git(['tag', 'light'], { cwd: work });
  await commitFiles(work, { more: 'more' });
  await git(['branch', 'feature/ünïcode'], { cwd: work });
  await git(['pack-refs', '--all'], { cwd: work });
  const file = readFileSync(join(work, '.git/packed-refs'));
  const parsed = parsePackedRefs(file, 'sha1');
  assert.equal(parsed.peeling, 'all');
  assert.deepEqual(
    parsed.refs.map((ref) => ref.name),
    ['refs/heads/feature/ünïcode', 'refs/heads/main', 'refs/tags/light', 'refs/tags/v1'],
  );
  assert.equal(parsed.refs[3]?.peeled, await git(['rev-parse', 'v1^{}'], { cwd: work }));
  assert.deepEqual(render(parsed.refs), file);
});

test('an unsorted file of an old program is sorted, and says less about peeling', () => {
  const text = `${oid('b')} refs/tags/b\n^${oid('c')}\n${oid('a')} refs/heads/a\n`;
  assert.deepEqual(parsePackedRefs(Buffer.from(`# pack-refs with: peeled \n${text}`), 'sha1'), {
    refs: [
      { name: 'refs/heads/a', oid: oid('a') },
      { name: 'refs/tags/b', oid: oid('b'), peeled: oid('c') },
    ],
    peeling: 'tags',
  });
  assert.equal(parsePackedRefs(Buffer.from(text), 'sha1').peeling, 'none');
});

test('a damaged file is an error and not an empty repository', () => {
  const damaged = [
    'refs/heads/main',
    `${oid('a')} refs/heads/cut`,
    `^${oid('a')}\n`,
    `${oid('a').slice(1)} refs/heads/x\n`,
  ];
  for (const text of damaged) {
    assert.throws(
      () => parsePackedRefs(Buffer.from(text), 'sha1'),
      (error) => hasCode(error, 'data_loss'),
      text,
    );
  }
});

test('names that are not UTF-8 are left out', () => {
  const bytes = Buffer.concat([
    Buffer.from(`${oid('a')} refs/heads/x`),
    Buffer.from([0xff]),
    Buffer.from('\n'),
  ]);
  assert.deepEqual(parsePackedRefs(bytes, 'sha1').refs, []);
});
