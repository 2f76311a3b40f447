import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commitFiles, newWorkTree, tryGit } from '#test/git';
import { unquotePath } from './quoted-path.ts';

test('every byte that git quotes is read back', async () => {
  const bytes = Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== 0x2f);
  const names = [...bytes.map((byte) => `x${String.fromCharCode(byte)}y`), 'plain', 'with "both" \\ kinds'];
  const workTree = await newWorkTree('quoting');
  await commitFiles(workTree, { plain: '' });
  const blob = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';
  const tree = names.map((name) => `100644 blob ${blob}\t${name}\0`).join('');
  const made = await tryGit(['mktree', '-z'], { cwd: workTree, input: Buffer.from(tree, 'latin1') });
  const oid = made.stdout.toString().trim();
  const listed = await tryGit(['-c', 'core.quotePath=true', 'ls-tree', '--name-only', oid], {
    cwd: workTree,
  });
  const lines = listed.stdout.toString('latin1').trimEnd().split('\n');
  const unquoted = lines.map((line) => unquotePath(Buffer.from(line, 'latin1')).toString('latin1'));
  assert.deepEqual(unquoted.toSorted(), names.toSorted());
});
