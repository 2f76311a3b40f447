import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hasCode, type ErrorCode } from '#base';
import { openTestAccounts, password, type TestAccounts } from '#test/accounts';

let harness: TestAccounts;
before(async () => {
  harness = await openTestAccounts('url');
});
after(() => harness[Symbol.asyncDispose]());

function refused(promise: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(hasCode(error, code), `expected ${code}: ${String(error)}`);
    assert.match(error.message, message);
    return true;
  });
}

const unknownId = '0'.repeat(26);
const impossibleIds = [unknownId, '', 'operator', "x' OR 1=1", '\0', '../../etc'];

function publicKey(seed: number): string {
  const header = Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20', 'latin1');
  return `ssh-ed25519 ${Buffer.concat([header, Buffer.alloc(32, seed)]).toString('base64')}`;
}

describe('users', () => {
  const input = { email: 'ada@example.org', password, isAdmin: false };

  test('are found under their login in any case, as they wrote it', async () => {
    const { users } = harness.accounts;
    const created = await users.create({ ...input, login: 'Ada' });
    assert.match(created.id, /^[0-9a-z]{26}$/);
    assert.deepEqual(created, {
      id: created.id,
      login: 'Ada',
      email: 'ada@example.org',
      isAdmin: false,
      createdAt: new Date(harness.clock.nowMs()),
    });
    assert.deepEqual(await users.find('aDA'), created);
    for (const login of ['nobody', '', 'a\0b', 'ada/x', 'graphql'])
      assert.equal(await users.find(login), undefined);
  });

  test('have a login and an email address that nobody else has, whatever the case', async () => {
    const { users } = harness.accounts;
    await refused(
      users.create({ ...input, login: 'aDa', email: 'other@example.org' }),
      'already_exists',
      /login is taken/,
    );
    await refused(
      users.create({ ...input, login: 'other', email: 'ADA@example.org' }),
      'already_exists',
      /email address/,
    );
    assert.equal(await users.find('other'), undefined);
  });

  test('that come at the same time with one login: one gets it', async () => {
    const { users } = harness.accounts;
    const attempts = [1, 2, 3, 4].map((index) =>
      users.create({ ...input, login: index % 2 === 0 ? 'Race' : 'race', email: `race${index}@example.org` }),
    );
    const results = await Promise.allSettled(attempts);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const result of results) {
      assert.ok(result.status === 'fulfilled' || hasCode(result.reason, 'already_exists'));
    }
  });

  test('are refused with a sentence when something about them is wrong', async () => {
    const { users } = harness.accounts;
    for (const [change, message] of [
      [{ login: 'a b' }, /only contain letters/],
      [{ login: 'graphql' }, /reserved/],
      [{ email: 'nowhere' }, /email address/],
      [{ password: 'short' }, /at least 8/],
    ] as const) {
      await refused(users.create({ ...input, login: 'valid', ...change }), 'invalid_argument', message);
    }
  });

  test('are listed page by page in the order of their logins', async () => {
    const { users } = harness.accounts;
    for (const login of ['zoe', 'Zed', 'zack', 'z_9', 'z-1', 'Z.2']) await harness.signUp(login);
    const seen: string[] = [];
    for (;;) {
      const page = await users.list({ limit: 2, after: seen.at(-1) ?? 'z' });
      if (page.length === 0) break;
      seen.push(...page.map(({ login }) => login));
    }
    assert.deepEqual(seen, ['z-1', 'Z.2', 'z_9', 'zack', 'Zed', 'zoe']);
    assert.equal((await users.list({ limit: 1 })).length, 1);
    assert.deepEqual(await users.list({ limit: 10, after: 'zzz' }), []);
    assert.ok((await users.list({ limit: 1, after: 'a\0' })).length <= 1);
  });

  test('that do not exist cannot be given a password, and a bad one is refused', async () => {
    const { users } = harness.accounts;
    for (const id of impossibleIds)
      await refused(users.setPassword(id, password), 'not_found', /no such user/);
    const user = await harness.signUp('keeper');
    await refused(users.setPassword(user.userId, 'short'), 'invalid_argument', /at least 8/);
    await harness.another().authenticator.byPassword('keeper', password, '192.0.2.1');
  });
});

describe('tokens', () => {
  const input = { name: 'ci', scopes: ['repo:read'], expiresAt: undefined } as const;

  test('are listed in the order they were made, without their secret', async () => {
    const { accounts, clock } = harness;
    const { userId } = await harness.signUp('lister');
    const expiresAt = new Date(clock.nowMs() + 86_400_000);
    const first = await accounts.tokens.create(userId, { ...input, name: ' first ' });
    clock.advance(1);
    const second = await accounts.tokens.create(userId, {
      name: 'second',
      scopes: ['account', 'repo:write', 'account'],
      expiresAt,
    });
    assert.deepEqual(await accounts.tokens.list(userId), [first.record, second.record]);
    assert.equal(first.record.name, 'first');
    assert.deepEqual(second.record.scopes, ['repo:write', 'account']);
    assert.deepEqual(second.record.expiresAt, expiresAt);
    assert.ok(!JSON.stringify(await accounts.tokens.list(userId)).includes(first.token));
  });

  test('are refused with a sentence when something about them is wrong', async () => {
    const { accounts, clock } = harness;
    const { userId } = await harness.signUp('wrong');
    const { tokens } = accounts;
    await refused(tokens.create(userId, { ...input, name: ' ' }), 'invalid_argument', /empty/);
    await refused(tokens.create(userId, { ...input, scopes: [] }), 'invalid_argument', /at least one scope/);
    const unknown = ['everything'] as unknown as typeof input.scopes;
    await refused(
      tokens.create(userId, { ...input, scopes: unknown }),
      'invalid_argument',
      /can be: repo:read/,
    );
    for (const expiresAt of [new Date(clock.nowMs()), new Date(0), new Date(Number.NaN)]) {
      await refused(tokens.create(userId, { ...input, expiresAt }), 'invalid_argument', /future/);
    }
    for (const id of impossibleIds) await refused(tokens.create(id, input), 'not_found', /no such user/);
    assert.deepEqual(await tokens.list(userId), []);
  });

  test('with the power over the whole site are for administrators only', async () => {
    const { tokens } = harness.accounts;
    const [plain, admin] = [await harness.signUp('plain'), await harness.signUp('boss', { isAdmin: true })];
    await refused(
      tokens.create(plain.userId, { ...input, scopes: ['admin'] }),
      'permission_denied',
      /administrator/,
    );
    assert.deepEqual((await tokens.create(admin.userId, { ...input, scopes: ['admin'] })).record.scopes, [
      'admin',
    ]);
  });

  test('are revoked by their own user only', async () => {
    const { tokens } = harness.accounts;
    const [one, two] = [await harness.signUp('revoke1'), await harness.signUp('revoke2')];
    const { record } = await tokens.create(one.userId, input);
    await refused(tokens.revoke(two.userId, record.id), 'not_found', /no such token/);
    for (const id of impossibleIds)
      await refused(tokens.revoke(one.userId, id), 'not_found', /no such token/);
    assert.equal((await tokens.list(one.userId)).length, 1);
    await tokens.revoke(one.userId, record.id);
    assert.deepEqual(await tokens.list(one.userId), []);
    await refused(tokens.revoke(one.userId, record.id), 'not_found', /no such token/);
    assert.deepEqual(await tokens.list('operator'), []);
  });

  test('of one user are not without end', async () => {
    const { tokens } = harness.another({ maxTokensPerUser: 2 });
    const { userId } = await harness.signUp('many');
    const { record } = await tokens.create(userId, input);
    await tokens.create(userId, input);
    await refused(tokens.create(userId, input), 'resource_exhausted', /Revoke/);
    await tokens.revoke(userId, record.id);
    await tokens.create(userId, input);
  });
});

describe('keys', () => {
  test('are named after their comment, or as one likes', async () => {
    const { keys } = harness.accounts;
    const { userId } = await harness.signUp('keys1');
    const first = await keys.add(userId, { title: undefined, publicKey: `${publicKey(1)} me@laptop\n` });
    harness.clock.advance(1);
    const second = await keys.add(userId, { title: ' work ', publicKey: `  ${publicKey(2)} me@laptop` });
    harness.clock.advance(1);
    const third = await keys.add(userId, { title: undefined, publicKey: publicKey(3) });
    assert.deepEqual(
      [first, second, third].map(({ title }) => title),
      ['me@laptop', 'work', 'ssh-ed25519'],
    );
    assert.match(first.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
    assert.deepEqual(await keys.list(userId), [first, second, third]);
    assert.deepEqual(await keys.list('operator'), []);
  });

  test('belong to one user only: whoever added a key first has it', async () => {
    const { keys } = harness.accounts;
    const [one, two] = [await harness.signUp('keys2'), await harness.signUp('keys3')];
    await keys.add(one.userId, { title: undefined, publicKey: publicKey(4) });
    for (const { userId } of [one, two]) {
      const again = keys.add(userId, { title: 'another name', publicKey: `${publicKey(4)} another comment` });
      await refused(again, 'already_exists', /in use already/);
    }
    assert.deepEqual(await keys.list(two.userId), []);
  });

  test('are refused when they are none, or when nobody would have them', async () => {
    const { keys } = harness.accounts;
    const { userId } = await harness.signUp('keys4');
    await refused(
      keys.add(userId, { title: undefined, publicKey: 'hello' }),
      'invalid_argument',
      /public key/,
    );
    await refused(keys.add(userId, { title: ' ', publicKey: publicKey(5) }), 'invalid_argument', /empty/);
    for (const id of impossibleIds) {
      await refused(keys.add(id, { title: undefined, publicKey: publicKey(5) }), 'not_found', /no such user/);
    }
  });

  test('are removed by their own user only', async () => {
    const { keys } = harness.accounts;
    const [one, two] = [await harness.signUp('keys5'), await harness.signUp('keys6')];
    const { id } = await keys.add(one.userId, { title: undefined, publicKey: publicKey(6) });
    await refused(keys.remove(two.userId, id), 'not_found', /no such key/);
    for (const wrong of impossibleIds)
      await refused(keys.remove(one.userId, wrong), 'not_found', /no such key/);
    await keys.remove(one.userId, id);
    await keys.add(two.userId, { title: undefined, publicKey: publicKey(6) });
  });

  test('of one user are not without end', async () => {
    const { keys } = harness.another({ maxKeysPerUser: 1 });
    const { userId } = await harness.signUp('keys7');
    await keys.add(userId, { title: undefined, publicKey: publicKey(7) });
    await refused(
      keys.add(userId, { title: undefined, publicKey: publicKey(8) }),
      'resource_exhausted',
      /too many/,
    );
  });
});

test('a session cannot be opened for nobody', async () => {
  for (const id of impossibleIds) {
    await refused(harness.accounts.sessions.open(id), 'not_found', /no such user/);
  }
});
