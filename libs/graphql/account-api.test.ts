import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGraphqlServer } from '#test/graphql-server';

const createUser = `mutation($login: String!) {
  createUser(input: { login: $login, email: "x@example.org", password: "secret words" }) { login email isAdmin }
}`;

interface UserPage {
  readonly nodes: readonly { readonly login: string }[];
  readonly pageInfo: { readonly endCursor: string; readonly hasNextPage: boolean };
}

test('without a login there is no viewer and no list of people', async () => {
  await using server = await startGraphqlServer();
  const { data, errors } = await server.ask('{ viewer { login } users { nodes { login } } }');
  assert.equal(data, null);
  assert.equal(errors?.[0]?.extensions.code, 'unauthenticated');
  assert.deepEqual((await server.ask('{ viewer { login } }')).data, { viewer: null });
});

test('an administrator creates users; nobody else does, nor a token without the scope', async () => {
  await using server = await startGraphqlServer();
  const variables = { login: 'eve' };
  for (const token of [
    undefined,
    await server.token('ada'),
    await server.token('root', 'account', 'repo:write'),
  ]) {
    const { errors } = await server.ask(createUser, { variables, ...(token !== undefined && { token }) });
    assert.equal(errors?.[0]?.extensions.code, token === undefined ? 'unauthenticated' : 'permission_denied');
  }
  assert.equal(await server.accounts.users.find('eve'), undefined);
  const { data } = await server.ask(createUser, { variables, token: await server.token('root', 'admin') });
  assert.deepEqual(data, { createUser: { login: 'eve', email: 'x@example.org', isAdmin: false } });
  const again = await server.ask(createUser, { variables, token: await server.token('root') });
  assert.equal(again.errors?.[0]?.extensions.code, 'already_exists');
});

test('pages of users lead to every user exactly once', async () => {
  await using server = await startGraphqlServer();
  const token = await server.token('ada');
  const seen: string[] = [];
  let after: string | null = null;
  for (;;) {
    const { users }: { users: UserPage } = await server.data(
      `query($after: String) { users(first: 2, after: $after) {
        nodes { login } pageInfo { endCursor hasNextPage } } }`,
      { token, variables: { after } },
    );
    seen.push(...users.nodes.map(({ login }) => login));
    if (!users.pageInfo.hasNextPage) break;
    after = users.pageInfo.endCursor;
  }
  assert.deepEqual(seen, ['ada', 'bob', 'root']);
  for (const first of [0, -1, 101]) {
    const { errors } = await server.ask(`{ users(first: ${first}) { nodes { login } } }`, { token });
    assert.match(errors?.[0]?.message ?? '', /from 1 to 100/);
  }
});

test('email, tokens and keys are for the user and for administrators', async () => {
  await using server = await startGraphqlServer();
  const query = '{ user(login: "ada") { login email tokens { name } keys { title } } }';
  const hidden = { user: { login: 'ada', email: null, tokens: null, keys: null } };
  assert.deepEqual((await server.ask(query, { token: await server.token('bob') })).data, hidden);
  const narrow = await server.token('ada', 'repo:read');
  assert.deepEqual((await server.ask(query, { token: narrow })).data, hidden);
  const own = await server.ask(query, { token: await server.token('ada', 'account') });
  assert.deepEqual(own.data, {
    user: {
      login: 'ada',
      email: 'ada@example.org',
      tokens: [{ name: 'test' }, { name: 'test' }],
      keys: [],
    },
  });
  const asAdmin = await server.ask(query, { token: await server.token('root') });
  assert.deepEqual(asAdmin.data, own.data);
});

test('the operator, who has no account, is still somebody', async () => {
  await using server = await startGraphqlServer();
  const operator = { ...server.accounts.identity('root'), userId: 'operator', login: 'operator' };
  server.accounts.authenticate = () => Promise.resolve(operator);
  const { data } = await server.ask('{ viewer { login isAdmin user { login } } }');
  assert.deepEqual(data, { viewer: { login: 'operator', isAdmin: true, user: null } });
  const own = await server.ask('mutation { createToken(input: { name: "x", scopes: [ADMIN] }) { secret } }');
  assert.equal(own.errors?.[0]?.extensions.code, 'not_found');
});

interface CreatedToken {
  readonly secret: string;
  readonly token: { readonly id: string; readonly scopes: readonly string[]; readonly expiresAt: string };
}

const createToken = `mutation($login: String, $scopes: [Scope!]!, $expiresAt: DateTime) {
  createToken(input: { login: $login, name: "ci", scopes: $scopes, expiresAt: $expiresAt }) {
    secret token { id name scopes expiresAt lastUsedAt }
  }
}`;

test('a token is made, works, is listed and is revoked', async () => {
  await using server = await startGraphqlServer();
  const token = await server.token('ada', 'account', 'repo:write');
  const {
    createToken: { secret, token: made },
  } = await server.data<{ readonly createToken: CreatedToken }>(createToken, {
    token,
    variables: { scopes: ['REPO_READ', 'ACCOUNT', 'ACCOUNT'], expiresAt: '2999-01-01T00:00:00+01:00' },
  });
  assert.deepEqual(made.scopes, ['REPO_READ', 'ACCOUNT']);
  assert.equal(made.expiresAt, '2998-12-31T23:00:00.000Z');
  const viewer = await server.ask('{ viewer { login scopes } }', { token: secret });
  assert.deepEqual(viewer.data, { viewer: { login: 'ada', scopes: ['REPO_READ', 'ACCOUNT'] } });
  const revoke = 'mutation($id: ID!) { revokeToken(input: { id: $id }) }';
  const revoked = await server.ask(revoke, { token, variables: { id: made.id } });
  assert.deepEqual(revoked.data, { revokeToken: made.id });
  const { errors } = await server.ask('{ viewer { login } }', { token: secret });
  assert.equal(errors?.[0]?.extensions.code, 'unauthenticated');
  const again = await server.ask(revoke, { token, variables: { id: made.id } });
  assert.equal(again.errors?.[0]?.extensions.code, 'not_found');
});

test('nobody makes a token that can do more than what they came with', async () => {
  await using server = await startGraphqlServer();
  const refusal = async (token: string, variables: object): Promise<string | undefined> => {
    const { errors } = await server.ask(createToken, { token, variables });
    return errors?.[0]?.extensions.code;
  };
  const narrow = await server.token('ada', 'account', 'repo:read');
  assert.equal(await refusal(narrow, { scopes: ['REPO_READ'] }), undefined);
  assert.equal(await refusal(narrow, { scopes: ['REPO_WRITE'] }), 'permission_denied');
  assert.equal(await refusal(narrow, { scopes: ['ADMIN'] }), 'permission_denied');
  assert.equal(await refusal(narrow, { scopes: [] }), 'invalid_argument');
  assert.equal(await refusal(narrow, { login: 'bob', scopes: ['REPO_READ'] }), 'permission_denied');
  assert.equal(await refusal(narrow, { login: 'nobody', scopes: ['REPO_READ'] }), 'permission_denied');
  assert.equal(
    await refusal(await server.token('ada', 'repo:write'), { scopes: ['REPO_READ'] }),
    'permission_denied',
  );
  const all = await server.token('ada');
  assert.equal(await refusal(all, { scopes: ['ADMIN'] }), 'permission_denied');
  const admin = await server.token('root', 'admin');
  assert.equal(await refusal(admin, { login: 'bob', scopes: ['REPO_WRITE'] }), undefined);
  assert.equal(await refusal(admin, { login: 'bob', scopes: ['ADMIN'] }), 'invalid_argument');
  assert.equal(await refusal(admin, { login: 'nobody', scopes: ['REPO_READ'] }), 'not_found');
  assert.equal(await refusal(admin, { scopes: ['REPO_READ'], expiresAt: 'tomorrow' }), 'invalid_argument');
  assert.equal(await refusal(admin, { scopes: ['REPO_READ'], expiresAt: '2030-02-30' }), 'invalid_argument');
});

test('keys are added, listed and removed, and a bad one is refused with its reason', async () => {
  await using server = await startGraphqlServer();
  const token = await server.token('ada', 'account');
  const add = 'mutation($key: String!) { addKey(input: { publicKey: $key }) { id title algorithm } }';
  const { addKey: key } = await server.data<{ addKey: { id: string; title: string } }>(add, {
    token,
    variables: { key: 'ssh-ed25519 AAAAC3Nz ada@laptop' },
  });
  assert.equal(key.title, 'ada@laptop');
  const bad = await server.ask(add, { token, variables: { key: 'hello' } });
  assert.deepEqual(bad.errors?.[0]?.message, 'This is not a public SSH key.');
  const remove = 'mutation($id: ID!, $login: String) { removeKey(input: { id: $id, login: $login }) }';
  const asBob = await server.ask(remove, {
    token: await server.token('bob'),
    variables: { id: key.id, login: 'ada' },
  });
  assert.equal(asBob.errors?.[0]?.extensions.code, 'permission_denied');
  const removed = await server.ask(remove, { token, variables: { id: key.id } });
  assert.deepEqual(removed.data, { removeKey: key.id });
});

test('a password is changed with the current one, or by an administrator', async () => {
  await using server = await startGraphqlServer();
  const query = `mutation($login: String, $current: String) {
    setPassword(input: { login: $login, password: "new words", currentPassword: $current }) { login } }`;
  const token = await server.token('ada', 'account');
  for (const current of [null, 'wrong']) {
    const { errors } = await server.ask(query, { token, variables: { current } });
    assert.equal(errors?.[0]?.extensions.code, 'unauthenticated');
  }
  const { data } = await server.ask(query, { token, variables: { current: 'ada-password' } });
  assert.deepEqual(data, { setPassword: { login: 'ada' } });
  assert.equal((await server.accounts.authenticator.byPassword('ada', 'new words', '')).login, 'ada');
  const admin = await server.token('root', 'admin');
  assert.deepEqual((await server.ask(query, { token: admin, variables: { login: 'bob' } })).data, {
    setPassword: { login: 'bob' },
  });
  assert.equal((await server.accounts.authenticator.byPassword('bob', 'new words', '')).login, 'bob');
});

test('passwords cannot be tried by the hundred in one request', async () => {
  await using server = await startGraphqlServer();
  const tries = Array.from(
    { length: 20 },
    (_, index) =>
      `t${index}: setPassword(input: { password: "new words", currentPassword: "${index}" }) { login }`,
  );
  const { errors } = await server.ask(`mutation { ${tries.join('\n')} }`, {
    token: await server.token('ada'),
  });
  assert.equal(errors?.length, 1);
  assert.equal(errors?.[0]?.extensions.code, 'resource_exhausted');
});
