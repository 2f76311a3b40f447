import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hasCode, type ErrorCode } from '#base';
import { openTestAccounts, password, type TestAccounts } from '#test/accounts';
import { scopes } from './identity.ts';

const address = '192.0.2.1';
const minute = 60_000;

/** An ed25519 key in wire format; any 32 bytes are one. */
function keyBlob(seed: number): Buffer {
  const header = Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20', 'latin1');
  return Buffer.concat([header, Buffer.alloc(32, seed)]);
}

let harness: TestAccounts;
before(async () => {
  harness = await openTestAccounts('embedded');
});
after(() => harness[Symbol.asyncDispose]());

function refused(promise: Promise<unknown>, code: ErrorCode = 'unauthenticated'): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(hasCode(error, code), `expected ${code}: ${String(error)}`);
    return true;
  });
}

describe('a password', () => {
  test('says who somebody is, by login or email address in any case, with every scope', async () => {
    const { accounts } = harness;
    const user = await harness.signUp('Ada');
    for (const login of ['Ada', 'ada', 'ADA', 'ada@example.org', 'ADA@Example.org']) {
      const identity = await accounts.authenticator.byPassword(login, password, address);
      assert.deepEqual(identity, { ...user, via: 'password', scopes: new Set(scopes) });
    }
  });

  test('that is wrong gives the same answer as a login that does not exist', async () => {
    const { authenticator } = harness.accounts;
    await harness.signUp('answer');
    const answers = await Promise.all(
      ['answer', 'nobody-answers', '', 'an\0swer', 'a b', 'x'.repeat(100_000), 'a\0@b'].map((login) =>
        authenticator.byPassword(login, 'wrong horse battery', address).catch((error: unknown) => error),
      ),
    );
    for (const answer of answers) {
      assert.ok(hasCode(answer, 'unauthenticated'), String(answer));
      assert.equal(answer.message, (answers[0] as Error).message);
      assert.deepEqual(answer.metadata, {});
    }
  });

  test('is checked for an unknown login like for any other, so that it takes as long', async () => {
    const { authenticator } = harness.another({ maxConcurrentHashes: 1, maxQueuedHashes: 0 });
    await harness.signUp('busy');
    const attempts = ['busy', 'nobody'].map((login) =>
      authenticator.byPassword(login, 'wrong horse battery', address),
    );
    const codes = (await Promise.allSettled(attempts)).map(
      (result) =>
        result.status === 'rejected' &&
        hasCode(result.reason, 'unavailable', 'unauthenticated') &&
        result.reason.code,
    );
    // The one that came first was hashed, the other one would have been.
    assert.deepEqual(new Set(codes), new Set(['unauthenticated', 'unavailable']));
  });

  test('that was changed is wrong at once, also where it was verified a moment ago', async () => {
    const { accounts } = harness;
    const user = await harness.signUp('changer');
    const session = await accounts.sessions.open(user.userId);
    assert.ok(await accounts.authenticator.bySession(session));
    await accounts.users.setPassword(user.userId, 'another horse battery');
    await refused(accounts.authenticator.byPassword('changer', password, address));
    await accounts.authenticator.byPassword('changer', 'another horse battery', address);
    assert.equal(await accounts.authenticator.bySession(session), undefined, 'signed out everywhere');
  });

  test('that was changed on another node is wrong a minute later', async () => {
    const [here, elsewhere] = [harness.accounts, harness.another()];
    const user = await harness.signUp('roamer');
    await elsewhere.users.setPassword(user.userId, 'another horse battery');
    harness.clock.advance(minute);
    await refused(here.authenticator.byPassword('roamer', password, address));
  });

  test('is not guessed for long: too many failures are refused, wherever the right one is known it still works', async () => {
    const { clock } = harness;
    const accounts = harness.another({ maxFailedLogins: 3 });
    await harness.signUp('target');
    await accounts.authenticator.byPassword('target', password, address);
    const guess = (text: string, from: string) => accounts.authenticator.byPassword('target', text, from);
    for (const text of ['guess one', 'guess two', 'guess three']) await refused(guess(text, address));
    await refused(guess('guess four', address), 'resource_exhausted');
    assert.equal((await guess(password, address)).login, 'target', 'verified a moment ago');
    assert.equal((await guess(password, '192.0.2.2')).login, 'target', 'from elsewhere');
    clock.advance(minute);
    await refused(guess(password, address), 'resource_exhausted');
    clock.advance(5 * minute);
    assert.equal((await guess(password, address)).login, 'target');
  });

  test('that could not be checked is not counted as wrong', async () => {
    const accounts = harness.another({ maxConcurrentHashes: 1, maxQueuedHashes: 0, maxFailedLogins: 2 });
    await harness.signUp('patient');
    const attempts = Array.from({ length: 5 }, (_, index) =>
      accounts.authenticator
        .byPassword('patient', `wrong horse ${index}`, address)
        .catch((error: unknown) => error),
    );
    const errors = await Promise.all(attempts);
    assert.ok(errors.some((error) => hasCode(error, 'unavailable')));
    assert.equal((await accounts.authenticator.byPassword('patient', password, address)).login, 'patient');
  });

  test('hashed at another cost is hashed anew when it is next used', async () => {
    const { database } = harness;
    await harness.signUp('costly');
    const stored = async () =>
      (await database.run((client) => client.user.findUniqueOrThrow({ where: { loginKey: 'costly' } })))
        .passwordHash;
    assert.match(await stored(), /m=64,t=1/);
    const stricter = harness.another({ passwordPasses: 2 });
    await stricter.authenticator.byPassword('costly', password, address);
    assert.match(await stored(), /m=64,t=2/);
    await stricter.authenticator.byPassword('costly', password, address);
  });
});

describe('a token', () => {
  test('says who somebody is, alone or as the password of its user, with its scopes only', async () => {
    const { authenticator, tokens } = harness.accounts;
    const user = await harness.signUp('Grace');
    const { token } = await tokens.create(user.userId, {
      name: 'ci',
      scopes: ['repo:write', 'repo:read'],
      expiresAt: undefined,
    });
    const expected = { ...user, via: 'token', scopes: new Set(['repo:read', 'repo:write']) };
    assert.deepEqual(await authenticator.byToken(token), expected);
    for (const login of ['grace', 'GRACE', 'grace@example.org', 'x-access-token', 'oauth2', 'git']) {
      assert.deepEqual(await authenticator.byPassword(login, token, address), expected, login);
    }
  });

  test('of somebody else is no password', async () => {
    const { authenticator, tokens } = harness.accounts;
    const [one] = await Promise.all([harness.signUp('one'), harness.signUp('two')]);
    const { token } = await tokens.create(one.userId, {
      name: 'ci',
      scopes: ['account'],
      expiresAt: undefined,
    });
    await refused(authenticator.byPassword('two', token, address));
    await refused(authenticator.byPassword('nobody', token, address));
  });

  test('ends when it expires, also where it was verified a moment ago', async () => {
    const { accounts, clock } = harness;
    const user = await harness.signUp('expirer');
    const expiresAt = new Date(clock.nowMs() + 10);
    const { token } = await accounts.tokens.create(user.userId, {
      name: 'short',
      scopes: ['repo:read'],
      expiresAt,
    });
    assert.equal((await accounts.authenticator.byToken(token)).login, 'expirer');
    clock.advance(10);
    await refused(accounts.authenticator.byToken(token));
    await refused(accounts.authenticator.byPassword('expirer', token, address));
  });

  test('that is revoked ends at once here, and within a minute elsewhere', async () => {
    const { accounts, clock } = harness;
    const elsewhere = harness.another();
    const user = await harness.signUp('revoker');
    const created = await accounts.tokens.create(user.userId, {
      name: 'ci',
      scopes: ['repo:read'],
      expiresAt: undefined,
    });
    await accounts.authenticator.byToken(created.token);
    await elsewhere.authenticator.byToken(created.token);
    await accounts.tokens.revoke(user.userId, created.record.id);
    await refused(accounts.authenticator.byToken(created.token));
    clock.advance(minute);
    await refused(elsewhere.authenticator.byToken(created.token));
  });

  test('that nobody made is refused', async () => {
    const { authenticator } = harness.accounts;
    for (const token of ['', 'pht_', `pht_${'0'.repeat(49)}`, 'ghp_something', 'pht_\0']) {
      await refused(authenticator.byToken(token));
      if (token !== '') await refused(authenticator.byPassword('grace', token, address));
    }
  });

  test('remembers when it was last used, but does not write for every use', async () => {
    const { accounts, clock } = harness;
    const user = await harness.signUp('user');
    const { token } = await accounts.tokens.create(user.userId, {
      name: 'ci',
      scopes: ['repo:read'],
      expiresAt: undefined,
    });
    const lastUse = async () => (await accounts.tokens.list(user.userId))[0]?.lastUsedAt?.getTime();
    assert.equal(await lastUse(), undefined);
    const firstMs = clock.nowMs();
    await accounts.authenticator.byToken(token);
    assert.equal(await lastUse(), firstMs);
    clock.advance(2 * minute);
    await accounts.authenticator.byToken(token);
    assert.equal(await lastUse(), firstMs);
    clock.advance(10 * minute);
    await accounts.authenticator.byToken(token);
    assert.equal(await lastUse(), clock.nowMs());
  });
});

describe('an SSH key', () => {
  test('belongs to whoever added it, and to nobody once it is removed', async () => {
    const { authenticator, keys } = harness.accounts;
    const user = await harness.signUp('keyed');
    const key = { algorithm: 'ssh-ed25519', blob: keyBlob(1) };
    assert.equal(await authenticator.byKey(key), undefined);
    const publicKey = `ssh-ed25519 ${key.blob.toString('base64')} me@laptop`;
    const record = await keys.add(user.userId, { title: undefined, publicKey });
    assert.deepEqual(await authenticator.byKey(key), { ...user, via: 'key' });
    assert.equal(await authenticator.byKey({ ...key, blob: keyBlob(2) }), undefined);
    await keys.remove(user.userId, record.id);
    assert.equal(await authenticator.byKey(key), undefined);
  });
});

describe('a web session', () => {
  test('lasts until it is closed or over', async () => {
    const { accounts, clock } = harness;
    const { authenticator, sessions } = harness.another({ sessionMs: 10 * minute });
    const user = await harness.signUp('surfer');
    const [first, second] = [await sessions.open(user.userId), await sessions.open(user.userId)];
    assert.deepEqual(await authenticator.bySession(first), { ...user, via: 'session' });
    assert.deepEqual(await authenticator.bySession(second), { ...user, via: 'session' });
    await sessions.close(first);
    assert.equal(await authenticator.bySession(first), undefined);
    clock.advance(10 * minute - 1);
    assert.ok(await authenticator.bySession(second));
    clock.advance(1);
    assert.equal(await authenticator.bySession(second), undefined);
    for (const secret of ['', 'x', '\0', first.slice(1)]) {
      assert.equal(await accounts.authenticator.bySession(secret), undefined);
    }
  });

  test('past the limit ends the oldest one, and those that are over do not stay in the database', async () => {
    const { database, clock } = harness;
    const { authenticator, sessions } = harness.another({ sessionMs: 10 * minute, maxSessionsPerUser: 2 });
    const user = await harness.signUp('tabs');
    const secrets: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      secrets.push(await sessions.open(user.userId));
      clock.advance(1);
      for (const secret of secrets) await authenticator.bySession(secret);
    }
    const alive = await Promise.all(
      secrets.map(async (secret) => (await authenticator.bySession(secret)) !== undefined),
    );
    assert.deepEqual(alive, [false, true, true]);
    clock.advance(20 * minute);
    await sessions.open(user.userId);
    assert.equal(
      await database.run((client) => client.webSession.count({ where: { userId: user.userId } })),
      1,
    );
  });
});

test('no secret is found anywhere in the database', async () => {
  const { accounts, database } = harness;
  const user = await harness.signUp('secretive');
  const { token } = await accounts.tokens.create(user.userId, {
    name: 'ci',
    scopes: ['repo:read'],
    expiresAt: undefined,
  });
  const session = await accounts.sessions.open(user.userId);
  const rows = await database.run(async (client) => [
    ...(await client.user.findMany()),
    ...(await client.accessToken.findMany()),
    ...(await client.webSession.findMany()),
  ]);
  const text = rows
    .flatMap((row) => Object.values(row))
    .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)))
    .join('\n');
  assert.ok(text.includes('secretive@example.org'));
  for (const secret of [
    password,
    token,
    token.slice(4, 47),
    session,
    Buffer.from(session, 'base64url').toString('latin1'),
  ]) {
    assert.ok(!text.includes(secret));
  }
});
