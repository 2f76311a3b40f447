import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { git, tryGit } from '#test/git';
import { objectEntry, packOf } from '#test/pack-writer';
import { temporaryDirectory } from '#test/temporary';
import { IncomingPack } from './incoming-pack.ts';

/** A pack of these blobs, indexed by git; its path without an extension. */
async function indexed(blobs: readonly Uint8Array[]): Promise<string> {
  const base = join(temporaryDirectory('pack'), 'pack');
  writeFileSync(`${base}.pack`, packOf(blobs.map((blob) => objectEntry('blob', blob))));
  await git(['index-pack', `${base}.pack`]);
  return base;
}

/** The sizes of objects whose entries take so much, as git says it. */
async function long(base: string, packedBytes: number): Promise<number[]> {
  const { stdout } = await tryGit(['verify-pack', '-v', `${base}.idx`]);
  const entries = stdout
    .toString()
    .matchAll(/^[0-9a-f]{40} blob +(?<size>\d+) (?<packed>\d+) \d+$/gm)
    .toArray();
  return entries
    .filter(({ groups }) => Number(groups?.['packed']) >= packedBytes)
    .map(({ groups }) => Number(groups?.['size']));
}

test('of every entry that is long the size is told, wherever it is, and of few others', async () => {
  const lengths = Array.from({ length: 400 }, (_, index) => 10 + ((index * 7919) % 9000));
  const base = await indexed(lengths.map((length) => randomBytes(length)));
  await using pack = await IncomingPack.open(base, 'sha1');
  for (const packedBytes of [1, 2, 100, 4999, 8000, 8900, 10_000]) {
    const told = await Array.fromAsync(pack.sizesOfLong(packedBytes));
    const expected = await long(base, packedBytes);
    assert.ok(packedBytes > 9000 || expected.length > 0, 'nothing is long: that says nothing');
    for (const size of expected) assert.ok(told.includes(size), `${size} of ${packedBytes}`);
    assert.ok(told.every((size) => lengths.includes(size)));
    if (packedBytes > 8500) assert.ok(told.length < 200, `${told.length} were looked at`);
  }
});

test('what deflates well is told with its inflated size, also at the end of the pack', async () => {
  const zeros = Buffer.alloc(50_000_000);
  const base = await indexed([randomBytes(10), Buffer.from('text'), zeros]);
  await using pack = await IncomingPack.open(base, 'sha1');
  assert.deepEqual(await Array.fromAsync(pack.sizesOfLong(40_000)), [zeros.length]);
});
