import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, startProcess } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';
import { FileLock } from './file-lock.ts';

const directory = temporaryDirectory('file-lock');
const path = join(directory, 'lock');
const acquire = `
  import { FileLock } from '#base';
  globalThis.lock = FileLock.acquire(process.argv[1]);
  console.log(lock === undefined ? 'held by another' : 'acquired');
`;
const node = (program: string): [string, string[]] => [
  process.execPath,
  ['--input-type=module', '--eval', program, path],
];

test('a lock is held by one owner, in this process or another, until it is disposed', async () => {
  const lock = FileLock.acquire(path);
  assert.ok(lock !== undefined);
  assert.equal(FileLock.acquire(path), undefined);
  assert.deepEqual(readdirSync(directory), ['lock'], 'nothing lies beside it');
  assert.equal((await run(...node(acquire))).stdout.toString(), 'held by another\n');
  lock[Symbol.dispose]();
  assert.equal((await run(...node(acquire))).stdout.toString(), 'acquired\n');
});

test('a lock ends with a process that is killed', async () => {
  const holder = startProcess(...node(`${acquire}; setInterval(() => undefined, 1000);`));
  await holder.waitFor(/acquired/);
  assert.equal(FileLock.acquire(path), undefined);
  await holder.kill9();
  using lock = FileLock.acquire(path);
  assert.ok(lock !== undefined);
});
