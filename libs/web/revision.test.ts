import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PackhorseError } from '#base';
import { FakeAgent } from '#test/fake-repositories';
import { resolvePlace, resolveRevision } from './revision.ts';

const oid = (number: number): string => number.toString(16).padStart(40, '0');

/** Revisions are looked up in a table; what begins with `ambiguous` throws, as an abbreviation may. */
class TableAgent extends FakeAgent {
  readonly #refs: Readonly<Record<string, string>>;
  readonly #others: Readonly<Record<string, string>>;

  constructor(refs: Readonly<Record<string, string>>, others: Readonly<Record<string, string>> = {}) {
    super(9);
    this.#refs = refs;
    this.#others = others;
  }

  override async resolve(revision: string) {
    if (revision.startsWith('feed')) throw new PackhorseError('invalid_argument', 'Ambiguous.');
    const ref = this.#refs[revision];
    if (ref !== undefined) return { oid: ref, kind: 'commit' as const, ref: revision };
    const other = this.#others[revision];
    return other === undefined ? undefined : { oid: other, kind: 'commit' as const };
  }
}

test('a branch is found before an abbreviated id that begins like it', async () => {
  const reader = new TableAgent({ 'refs/heads/feed/atom': oid(3) });
  const { revision, path } = await resolvePlace(reader, 'feed/atom/src/a.c');
  assert.deepEqual(revision, {
    address: 'feed/atom',
    commitOid: oid(3),
    label: 'feed/atom',
    kind: 'branch',
    ref: 'refs/heads/feed/atom',
  });
  assert.equal(path, 'src/a.c');
  await assert.rejects(resolvePlace(reader, 'feed'), { code: 'invalid_argument' });
});

test('an expression on a branch with slashes is one revision', async () => {
  const reader = new TableAgent({ 'refs/heads/a/b': oid(3) }, { 'a/b~2': oid(1), 'main^2': oid(2) });
  const place = await resolvePlace(reader, 'a/b~2/src');
  assert.equal(place.revision.commitOid, oid(1));
  assert.equal(place.revision.label, 'a/b~2');
  assert.equal(place.path, 'src');
  assert.equal((await resolvePlace(reader, 'main^2')).revision.commitOid, oid(2));
});

test('an id is shown shortened, however long it was written', async () => {
  const full = `abcdef${'0'.repeat(34)}`;
  const reader = new TableAgent({}, { [full]: full, abcdef: full });
  for (const address of [full, 'abcdef']) {
    const { revision } = await resolvePlace(reader, address);
    assert.deepEqual([revision.label, revision.kind, revision.address], ['abcdef0000', 'commit', address]);
  }
});

test('what names nothing, or more than a revision, is not found', async () => {
  const reader = new TableAgent({ 'refs/heads/main': oid(1) });
  await assert.rejects(resolvePlace(reader, ''), { code: 'not_found' });
  await assert.rejects(resolvePlace(reader, 'nothing/here'), { code: 'not_found' });
  await assert.rejects(resolveRevision(reader, 'main/src'), { code: 'not_found' });
  assert.equal((await resolveRevision(reader, 'main')).commitOid, oid(1));
});

test('a tag of a file is a name that leads to no commit', async () => {
  const reader = new TableAgent({ 'refs/tags/key': oid(1) });
  reader.peel = async () => {
    throw new PackhorseError('invalid_argument', 'Not a commit.');
  };
  await assert.rejects(resolvePlace(reader, 'key'), { code: 'not_found' });
});
