import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemRandom } from '#base';
import { newBareRepository, openDiskRepository, testStorage } from '#test/disk-repository';
import { systemDisk } from '../volume/disk.ts';
import { IncomingDirectory } from './incoming-directory.ts';
import { noteLocks } from './incoming-files.ts';
import { isOwnerAlive, ownerTag } from './owner.ts';

function incoming(bare: string): string[] {
  return readdirSync(join(bare, 'objects')).filter((name) => name.startsWith('tmp_'));
}

/** A tag as a process that has ended had it. */
async function tagOfTheDead(): Promise<string> {
  const child = spawn('true');
  const { pid } = child;
  await once(child, 'exit');
  return `${ownerTag().split('-')[0]}-${pid}-1`;
}

const random = 'abcdefghjkmnpqrstvwxyz0123';

test('a process knows itself, and who is gone', async () => {
  assert.equal(isOwnerAlive(ownerTag()), true);
  assert.equal(isOwnerAlive(await tagOfTheDead()), false);
  assert.equal(
    isOwnerAlive(`${ownerTag().split('-')[0]}-${process.pid}-1`),
    false,
    'a process id that is used again',
  );
  assert.equal(isOwnerAlive(ownerTag().replace(/^\d+/, '1')), undefined, 'another container');
});

test('what a dead server left in a shared repository goes when it is opened, and nothing else', async () => {
  const bare = await newBareRepository();
  const alive = await IncomingDirectory.create(systemDisk, systemRandom, join(bare, 'objects'));
  const dead = join(bare, 'objects', `tmp_objdir-incoming-${await tagOfTheDead()}-${random}`);
  const files = join(bare, 'objects', `tmp_incoming-${await tagOfTheDead()}-${random}`);
  const foreign = join(bare, 'objects', `tmp_objdir-incoming-${ownerTag().replace(/^\d+/, '1')}-${random}`);
  const ofGit = join(bare, 'objects', 'tmp_objdir-incoming-Ab3dEf');
  for (const path of [dead, foreign, ofGit]) mkdirSync(join(path, 'pack'), { recursive: true });
  writeFileSync(join(dead, 'pack/tmp_pack_x'), 'half a pack');
  for (const extension of ['pack', 'idx']) writeFileSync(`${files}.${extension}`, 'half a file');
  writeFileSync(`${files}.locks`, 'refs/heads/main\npacked-refs\n../escape\n');
  writeFileSync(join(bare, 'objects/tmp_incoming-x.pack'), 'of somebody else');
  writeFileSync(join(bare, 'refs/heads/main.lock'), '');
  writeFileSync(join(bare, '../escape.lock'), '');
  writeFileSync(join(bare, 'refs/heads/other.lock'), '');
  await openDiskRepository(bare, 'shared');
  for (const gone of [dead, `${files}.pack`, `${files}.idx`, `${files}.locks`])
    assert.ok(!existsSync(gone), gone);
  assert.ok(!existsSync(join(bare, 'refs/heads/main.lock')));
  for (const kept of [
    join(bare, 'objects/tmp_incoming-x.pack'),
    alive.path,
    foreign,
    ofGit,
    join(bare, 'refs/heads/other.lock'),
    join(bare, '../escape.lock'),
  ]) {
    assert.ok(existsSync(kept), kept);
  }
});

test('a lock that was taken long after the note belongs to somebody else', async () => {
  const bare = await newBareRepository();
  const dead = join(bare, 'objects', `tmp_incoming-${await tagOfTheDead()}-${random}.locks`);
  writeFileSync(dead, 'refs/heads/main\n');
  const longAgo = new Date(Date.now() - 3_600_000);
  utimesSync(dead, longAgo, longAgo);
  writeFileSync(join(bare, 'refs/heads/main.lock'), '');
  await openDiskRepository(bare, 'shared');
  assert.ok(!existsSync(dead) && existsSync(join(bare, 'refs/heads/main.lock')));
});

test('what a server in another container left goes after a grace period', async () => {
  const bare = await newBareRepository();
  const foreign = join(bare, 'objects', `tmp_objdir-incoming-${ownerTag().replace(/^\d+/, '1')}-${random}`);
  mkdirSync(foreign);
  const clock = {
    nowMs: () => Date.now() + 2 * testStorage().settings.quarantineGraceMs,
    monotonicMs: () => 0,
    after: () => () => undefined,
  };
  await openDiskRepository(bare, 'shared', testStorage({ clock }));
  assert.ok(!existsSync(foreign));
});

test('locks are noted while they are held', async () => {
  const bare = await newBareRepository();
  {
    await using _note = await noteLocks(systemDisk, systemRandom, bare, ['refs/heads/main']);
    assert.equal(incoming(bare).length, 1);
  }
  assert.deepEqual(incoming(bare), []);
});
