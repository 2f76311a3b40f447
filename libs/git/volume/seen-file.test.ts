import assert from 'node:assert/strict';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '#test/temporary';
import { systemDisk } from './disk.ts';
import { areUnchanged, isUnchanged, type SeenPath } from './seen-file.ts';

/** Paths as a reader sees them long after they were last changed. */
function seen(...paths: readonly string[]): SeenPath[] {
  const readAtMs = Date.now() + 60_000;
  return paths.map((path) => ({ path, seen: { stamp: systemDisk.stampNow(path), readAtMs } }));
}

test('files that were not touched are unchanged, also those that are missing, and more than fit in one turn', async () => {
  const directory = temporaryDirectory('seen');
  const paths = Array.from({ length: 600 }, (_, index) => join(directory, `file-${index}`));
  for (const path of paths) writeFileSync(path, 'content');
  const all = seen(...paths, join(directory, 'missing'), join(directory, 'file-0/below-a-file'));
  assert.equal(await areUnchanged(systemDisk, all), true);
  rmSync(join(directory, 'file-599'));
  assert.equal(await areUnchanged(systemDisk, all), false);
});

test('a change of content, size, kind or presence is seen', async () => {
  const directory = temporaryDirectory('seen');
  const path = join(directory, 'file');
  const changes: Readonly<Record<string, () => void>> = {
    size: () => writeFileSync(path, 'longer content'),
    time: () => utimesSync(path, 1, 1),
    'another file of that name': () => {
      rmSync(path);
      writeFileSync(path, 'content');
    },
    gone: () => rmSync(path),
    'a directory now': () => {
      rmSync(path);
      mkdirSync(path);
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    rmSync(path, { recursive: true, force: true });
    writeFileSync(path, 'content');
    const before = seen(path);
    assert.equal(await areUnchanged(systemDisk, before), true, `before: ${what}`);
    change();
    assert.equal(await areUnchanged(systemDisk, before), false, what);
  }
  rmSync(path, { recursive: true });
  const absent = seen(path);
  writeFileSync(path, 'content');
  assert.equal(await areUnchanged(systemDisk, absent), false, 'there now');
});

test('a file that was fresh when it was read may have changed since', () => {
  const path = join(temporaryDirectory('seen'), 'file');
  writeFileSync(path, 'content');
  const stamp = systemDisk.stampNow(path);
  assert.ok(stamp);
  const changedAtMs = Math.max(stamp.mtimeMs, stamp.ctimeMs);
  assert.equal(isUnchanged({ stamp, readAtMs: changedAtMs }, stamp), false);
  assert.equal(isUnchanged({ stamp, readAtMs: changedAtMs + 3_000 }, stamp), true);
});
