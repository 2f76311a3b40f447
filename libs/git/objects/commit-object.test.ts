import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseCommit, splitMessage } from './commit-object.ts';
import { encodeCommit } from './encode.ts';
import { parseTag } from './tag-object.ts';

const tree = 'a'.repeat(40);
const oid = 'b'.repeat(40);

function commit(...lines: readonly string[]): Buffer {
  return Buffer.from(`tree ${tree}\n${lines.join('\n')}`, 'latin1');
}

test('a commit that was encoded is parsed back', () => {
  const names = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[<>\n\0]/g, '').trim());
  const signatures = fc.record(
    {
      name: names,
      email: names,
      timestampMs: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
      offsetMinutes: fc.integer({ min: -14 * 60, max: 14 * 60 }),
    },
    { noNullPrototype: true },
  );
  const oids = fc.string({
    unit: fc.constantFrom(...'0123456789abcdef'.split('')),
    minLength: 40,
    maxLength: 40,
  });
  fc.assert(
    fc.property(
      oids,
      fc.array(oids, { maxLength: 4 }),
      signatures,
      signatures,
      (treeOid, parents, author, committer) => {
        const bytes = encodeCommit({ treeOid, parents, author, committer, message: 'Subject\n\nBody' });
        assert.deepEqual(parseCommit(oid, bytes), {
          oid,
          treeOid,
          parents,
          author,
          committer,
          summary: 'Subject',
          body: 'Body',
        });
      },
    ),
  );
});

test('a commit in another encoding is decoded by its header, and as UTF-8 when the header means nothing', () => {
  const author = 'author J\xf6rg <j@x> 1 +0000';
  const latin1 = parseCommit(oid, commit(author, 'encoding ISO-8859-1', '', 'Caf\xe9'));
  assert.equal(latin1.author.name, 'Jörg');
  assert.equal(latin1.summary, 'Café');
  assert.equal(parseCommit(oid, commit(author, 'encoding no-such', '', 'Caf\xe9')).summary, 'Caf�');
  assert.equal(parseCommit(oid, commit(author, '', 'Caf\xc3\xa9')).summary, 'Café');
});

test('signatures in the header and lines unknown to us are passed over', () => {
  const parsed = parseCommit(
    oid,
    commit(
      'author A <a@x> 7 -0330',
      'gpgsig -----BEGIN',
      ' parent of nothing',
      ' -----END',
      'HG:extra 1',
      '',
      'S',
    ),
  );
  assert.deepEqual(parsed.parents, []);
  assert.equal(parsed.author.offsetMinutes, -210);
  assert.equal(parsed.summary, 'S');
});

test('odd identities and dates are read as git reads them, never refused', () => {
  const authorOf = (line: string): unknown => parseCommit(oid, commit(`author ${line}`, '', '')).author;
  const epoch = { timestampMs: 0, offsetMinutes: 0 };
  assert.deepEqual(authorOf('Nobody'), { name: 'Nobody', email: '', ...epoch });
  assert.deepEqual(authorOf('A <a@x>'), { name: 'A', email: 'a@x', ...epoch });
  assert.deepEqual(authorOf('A <a <b> 5 +0100'), {
    name: 'A',
    email: 'a <b',
    timestampMs: 5000,
    offsetMinutes: 60,
  });
  assert.deepEqual(authorOf('A <a@x> 99999999999999999999 +0000'), { name: 'A', email: 'a@x', ...epoch });
});

test('what is no commit at all is refused', () => {
  assert.throws(() => parseCommit(oid, Buffer.from('nothing of the kind')), { code: 'failed_precondition' });
  assert.throws(() => parseTag(oid, Buffer.from(`object ${oid}\ntype sculpture\n\n`)), {
    code: 'failed_precondition',
  });
});

test('a tag is read with who made it and why, without its signature', () => {
  const header = `object ${oid}\ntype commit\ntag v1\n`;
  assert.deepEqual(
    parseTag(
      oid,
      Buffer.from(`${header}tagger A <a@x> 5 +0100\n\nOne\n\nMore.\n-----BEGIN PGP SIGNATURE-----\n\nabc\n`),
    ),
    {
      oid,
      name: 'v1',
      tagger: { name: 'A', email: 'a@x', timestampMs: 5000, offsetMinutes: 60 },
      summary: 'One',
      body: 'More.',
      targetOid: oid,
      targetKind: 'commit',
    },
  );
  assert.equal(parseTag(oid, Buffer.from(`${header}\nOne\n`)).tagger, undefined);
});

test('the summary is the first paragraph on one line and the body what follows', () => {
  assert.deepEqual(splitMessage('\n\n one \ntwo\n \n\nbody\n\nmore\n\n'), {
    summary: ' one two',
    body: 'body\n\nmore',
  });
  assert.deepEqual(splitMessage(' \n\n'), { summary: '', body: '' });
});
