import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, readSettings, systemRandom } from '#base';
import { PasswordHasher } from './password.ts';

// As cheap as argon2 allows: what is tested here does not depend on the costs.
const settings = { ...readSettings().accounts, passwordMemoryBytes: 64 * 1024, passwordPasses: 1 };
const hasher = new PasswordHasher(settings, systemRandom);

test('a password matches its own hash only, and no hash shows it', async () => {
  const hash = await hasher.hash('correct horse');
  assert.match(hash, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.deepEqual(await hasher.verify('correct horse', hash), { matches: true, isOutdated: false });
  assert.equal((await hasher.verify('correct hors', hash)).matches, false);
  assert.equal((await hasher.verify('', hash)).matches, false);
});

test('two hashes of one password differ', async () => {
  assert.notEqual(await hasher.hash('correct horse'), await hasher.hash('correct horse'));
});

test('a hash of the reference implementation is understood, and known to be outdated', async () => {
  const tag = Buffer.from('09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7', 'hex');
  const [salt, hash] = [Buffer.from('somesalt'), tag].map((bytes) =>
    bytes.toString('base64').replace(/=+$/, ''),
  );
  const reference = `$argon2id$v=19$m=65536,t=2,p=1$${salt}$${hash}`;
  assert.deepEqual(await hasher.verify('password', reference), { matches: true, isOutdated: true });
  assert.equal((await hasher.verify('passwort', reference)).matches, false);
});

test('the same characters match however the keyboard composes them', async () => {
  const hash = await hasher.hash('caf\u00e9 horse');
  assert.equal((await hasher.verify('cafe\u0301 horse', hash)).matches, true);
});

test('nothing matches when there is no user, or no readable hash', async () => {
  for (const stored of [
    undefined,
    '',
    'plain',
    '$argon2id$v=19$m=64,t=1,p=1$$',
    '$2b$12$abcdefghijklmnopqrstuv',
  ]) {
    assert.equal((await hasher.verify('correct horse', stored)).matches, false, String(stored));
  }
});

test('passwords are checked a few at a time; a few more wait, and the rest is told to try again', async () => {
  const bounded = new PasswordHasher(
    { ...settings, maxConcurrentHashes: 1, maxQueuedHashes: 2 },
    systemRandom,
  );
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map(() => bounded.hash('correct horse')));
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
  );
  assert.ok(
    results.every((result) => result.status === 'fulfilled' || hasCode(result.reason, 'unavailable')),
  );
  assert.match(await bounded.hash('correct horse'), /^\$argon2id/);
});

test('a check for nobody waits its turn like any other, so that it takes as long', async () => {
  const bounded = new PasswordHasher(
    { ...settings, maxConcurrentHashes: 1, maxQueuedHashes: 0 },
    systemRandom,
  );
  const hash = await bounded.hash('correct horse');
  const first = bounded.verify('wrong horse', undefined);
  await assert.rejects(bounded.verify('wrong horse', hash), (error: unknown) =>
    hasCode(error, 'unavailable'),
  );
  assert.equal((await first).matches, false);
});
