import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#base';
import { newBareRepository } from '#test/disk-repository';
import { git, newWorkTree } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { findGitDirectory, objectFormatOf } from './git-directory.ts';
import { ConfigValues } from './repository-config.ts';
import { systemDisk } from './volume/disk.ts';

const find = (path: string, isAllowed?: (directory: string) => boolean): Promise<string | undefined> =>
  findGitDirectory(systemDisk, path, isAllowed);

test('bare repositories, work trees, submodules and linked work trees are found', async () => {
  const bare = await newBareRepository();
  assert.equal(await find(bare), bare);
  const work = await newWorkTree();
  assert.equal(await find(work), join(work, '.git'));
  const linked = join(temporaryDirectory('linked'), 'tree');
  await git(['worktree', 'add', '--quiet', '-b', 'other', linked], { cwd: work });
  assert.equal(await find(linked), join(work, '.git'));
  const separate = join(temporaryDirectory('separate'), 'tree');
  const elsewhere = join(temporaryDirectory('elsewhere'), 'repository');
  await git(['init', '--quiet', `--separate-git-dir=${elsewhere}`, separate]);
  assert.equal(await find(separate), elsewhere);
});

test('a file that points out of bounds is not followed', async () => {
  const secret = await newBareRepository();
  const work = temporaryDirectory('pointer');
  writeFileSync(join(work, '.git'), `gitdir: ${secret}\n`);
  assert.equal(await find(work, (directory) => directory.startsWith(work)), undefined);
  assert.equal(await find(work), secret);
});

test('what is no repository is not taken for one', async () => {
  const empty = temporaryDirectory('empty');
  assert.equal(await find(empty), undefined);
  assert.equal(await find(join(empty, 'nothing')), undefined);
  writeFileSync(join(empty, '.git'), 'no pointer');
  assert.equal(await find(empty), undefined);
  const headless = temporaryDirectory('headless');
  mkdirSync(join(headless, 'objects'));
  mkdirSync(join(headless, 'refs'));
  assert.equal(await find(headless), undefined);
});

test('formats that are not understood are refused', () => {
  const values = (entries: Readonly<Record<string, string>>): ConfigValues =>
    new ConfigValues(Object.entries(entries));
  assert.equal(objectFormatOf(values({})), 'sha1');
  const version1 = { 'core.repositoryformatversion': '1' };
  assert.equal(objectFormatOf(values({ ...version1, 'extensions.objectformat': 'sha256' })), 'sha256');
  for (const unknown of [
    { 'core.repositoryformatversion': '2' },
    { ...version1, 'extensions.refstorage': 'reftable' },
    { ...version1, 'extensions.objectformat': 'sha512' },
  ]) {
    assert.throws(
      () => objectFormatOf(values(unknown)),
      (error) => hasCode(error, 'failed_precondition'),
    );
  }
});
