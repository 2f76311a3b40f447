import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '#test/temporary';
import { chooseAccount, mayReach } from './account.ts';

const isRoot = process.getuid?.() === 0;

test('an account reaches what lies below directories that let it pass, as owner, by its group or like anybody', async () => {
  const parent = temporaryDirectory('account');
  const { uid, gid } = statSync(parent);
  const path = join(parent, 'closed', 'database');
  mkdirSync(path, { recursive: true });
  const [owner, member, stranger] = [
    { uid, gid },
    { uid: uid + 1, gid },
    { uid: uid + 1, gid: gid + 1 },
  ];
  chmodSync(parent, 0o711);
  for (const [mode, expected] of [
    [0o700, [true, false, false]],
    [0o710, [true, true, false]],
    [0o711, [true, true, true]],
    [0o611, [false, true, true]],
    [0o701, [true, false, true]],
    [0o766, [true, false, false]],
  ] as const) {
    chmodSync(join(parent, 'closed'), mode);
    const reached = await Promise.all([owner, member, stranger].map((account) => mayReach(path, account)));
    assert.deepEqual(reached, expected, mode.toString(8));
  }
});

test('a server that is not root uses its own account', { skip: isRoot }, async () => {
  assert.equal(await chooseAccount(temporaryDirectory('account')), undefined);
});

test(
  'root gives a database to an account without rights, and one that has an owner stays with it',
  { skip: !isRoot },
  async () => {
    const directory = temporaryDirectory('account');
    const account = await chooseAccount(join(directory, 'missing'));
    assert.ok(account !== undefined && account.uid > 0 && account.gid > 0);
    assert.deepEqual(await chooseAccount(directory), account, 'it belongs to root');
    chownSync(directory, 4242, 4243);
    assert.deepEqual(await chooseAccount(directory), { uid: 4242, gid: 4243 });
  },
);
