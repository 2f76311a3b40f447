import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '#test/temporary';
import { forEachBounded, hasErrno, systemDisk } from './disk.ts';

test('what is small and what is large is written and read alike', async () => {
  const directory = temporaryDirectory('disk');
  for (const sizeBytes of [0, 10, 64 * 1024, 64 * 1024 + 1, 3_000_000]) {
    const path = join(directory, String(sizeBytes));
    const bytes = Buffer.alloc(sizeBytes, 'some bytes ');
    const file = await systemDisk.create(path);
    await file.write(bytes);
    await file.write(Buffer.from('end'));
    await file.sync();
    await file.close();
    assert.ok(readFileSync(path).equals(Buffer.concat([bytes, Buffer.from('end')])));
    assert.ok((await systemDisk.read(path)).equals(readFileSync(path)));
    await assert.rejects(systemDisk.create(path), (error) => hasErrno(error, 'EEXIST'));
  }
  await assert.rejects(systemDisk.read(join(directory, 'missing')), (error) => hasErrno(error, 'ENOENT'));
});

test('a long list of work that is done at once lets others have their turn', async () => {
  let turns = 0;
  let ended = false;
  const others = (): void => {
    turns += 1;
    if (!ended) setImmediate(others);
  };
  setImmediate(others);
  await forEachBounded(
    Array.from({ length: 10_000 }, () => 0),
    8,
    async () => undefined,
  );
  ended = true;
  assert.ok(turns > 50, `${turns} turns`);
});
