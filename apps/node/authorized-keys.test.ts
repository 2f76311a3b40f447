import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthorizedKeys } from './authorized-keys.ts';

const blob = Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIGJ1bGxzaGl0', 'base64');
const base64 = blob.toString('base64');
const has = (text: string): Promise<boolean> =>
  new AuthorizedKeys(() => Promise.resolve(text)).has({ algorithm: 'ssh-ed25519', blob });

test('a key is found with and without options and comment', async () => {
  assert.equal(await has(`ssh-ed25519 ${base64}`), true);
  assert.equal(await has(`# first\nno-pty,command="x y" ssh-ed25519 ${base64} ada@laptop\n`), true);
});

test('a key in a comment line, a part of a key and an empty file do not count', async () => {
  assert.equal(await has(`#ssh-ed25519 ${base64}`), false);
  assert.equal(await has(`ssh-ed25519 ${base64}x`), false);
  assert.equal(await has(''), false);
});
