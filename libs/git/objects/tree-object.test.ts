import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ObjectFormat } from '#base';
import { encodeTree } from './encode.ts';
import { findLine, kindOfMode, parseTree, type TreeLine } from './tree-object.ts';

const oid = 'c'.repeat(40);

function parsed(
  bytes: Buffer,
  format: ObjectFormat = 'sha1',
): { lines: readonly TreeLine[]; pauses: number } {
  const work = parseTree(oid, bytes, format);
  for (let pauses = 0; ; pauses += 1) {
    const next = work.next();
    if (next.done === true) return { lines: next.value, pauses };
  }
}

const lineOf = (name: Buffer, mode: number, id: string): TreeLine =>
  name.equals(Buffer.from(name.toString()))
    ? { name: name.toString(), mode, oid: id }
    : { name: name.toString(), rawName: name, mode, oid: id };

test('a tree that was encoded is parsed back, names of any bytes included', () => {
  const names = fc
    .uint8Array({ minLength: 1, maxLength: 20 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x78 : byte))));
  const modes = fc.constantFrom(0o100644, 0o100755, 0o120000, 0o160000, 0o040000);
  const entries = fc.uniqueArray(fc.tuple(names, modes), { selector: ([name]) => name.toString('latin1') });
  for (const format of ['sha1', 'sha256'] as const) {
    const id = 'd'.repeat(format === 'sha1' ? 40 : 64);
    fc.assert(
      fc.property(entries, (given) => {
        const lines = given.map(([name, mode]) => lineOf(name, mode, id));
        const { lines: found } = parsed(encodeTree(lines), format);
        assert.deepEqual(new Set(found), new Set(lines));
        for (const line of lines) {
          const hit = findLine(found, line.name);
          assert.equal(hit?.name, line.name);
        }
      }),
    );
  }
});

test('every tree that is cut short is refused, or is a whole shorter tree', () => {
  const tree = encodeTree([
    lineOf(Buffer.from('a'), 0o100644, oid),
    lineOf(Buffer.from('bb'), 0o040000, oid),
  ]);
  const whole = new Set([0, 29, tree.length]);
  for (let end = 0; end <= tree.length; end += 1) {
    const cut = tree.subarray(0, end);
    if (whole.has(end)) assert.ok(parsed(cut).lines.length <= 2);
    else assert.throws(() => parsed(cut), { code: 'failed_precondition' });
  }
  assert.throws(() => parsed(Buffer.from(`x644 a\0${'\u0001'.repeat(20)}`)), { code: 'failed_precondition' });
});

test('a directory of very many entries is parsed with pauses', () => {
  const lines = Array.from({ length: 10_000 }, (_, index) => lineOf(Buffer.from(`f${index}`), 0o100644, oid));
  const { lines: found, pauses } = parsed(encodeTree(lines));
  assert.equal(found.length, 10_000);
  assert.equal(pauses, 2);
});

test('file modes stand for kinds as in git', () => {
  assert.equal(kindOfMode(0o100664), 'file');
  assert.equal(kindOfMode(0o100755), 'executable');
  assert.equal(kindOfMode(0o120000), 'symlink');
  assert.equal(kindOfMode(0o160000), 'submodule');
  assert.equal(kindOfMode(0o040000), 'tree');
});
