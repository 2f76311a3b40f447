import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CliSession } from '#test/cli-session';

let session: CliSession;
before(async () => {
  session = await CliSession.start();
});
after(() => session[Symbol.asyncDispose]());

test('a user is created with a password from standard input, and listed', async () => {
  const create = ['user', 'create', 'carol', '--email', 'carol@example.org', '--password-stdin'];
  assert.equal(await session.text(create, { input: 'correct horse\n' }), 'Created the user carol.\n');
  assert.equal(
    (await session.server.accounts.authenticator.byPassword('carol', 'correct horse', '')).login,
    'carol',
  );
  assert.match(await session.refusal(create, 1, { input: 'correct horse\n' }), /already a user/);
  const users = await session.json<{ login: string; isAdmin: boolean }[]>(['user', 'list']);
  assert.deepEqual(
    users
      .filter(({ login }) => login === 'carol' || login === 'root')
      .map(({ login, isAdmin }) => [login, isAdmin]),
    [
      ['carol', false],
      ['root', true],
    ],
  );
  assert.match(
    await session.text(['user', 'list']),
    /^LOGIN +EMAIL +ADMIN +CREATED\n(.*\n)*carol +carol@example.org +no +2023/,
  );
});

test('an administrator is created, and the password may have spaces but no line end', async () => {
  const created = await session.json<object>(
    ['user', 'create', 'dora', '--email', 'd@example.org', '--password-stdin', '--admin'],
    { input: ' two words \r\nignored' },
  );
  assert.deepEqual(created, {
    login: 'dora',
    email: 'd@example.org',
    isAdmin: true,
    createdAt: '2023-11-14T22:13:20.000Z',
  });
  assert.ok(await session.server.accounts.authenticator.byPassword('dora', ' two words ', ''));
});

test('a password that is missing or cannot be asked for is a wrong command line', async () => {
  const create = ['user', 'create', 'eve', '--email', 'e@example.org'];
  assert.match(await session.refusal(create, 2), /--password-stdin/);
  assert.match(await session.refusal([...create, '--password-stdin'], 2, { input: '' }), /no password/);
  assert.match(await session.refusal([...create, '--password-stdin'], 2, { input: '\nx\n' }), /first line/);
  assert.match(await session.refusal(['user', 'create', 'eve'], 2), /--email/);
  assert.equal(await session.server.accounts.users.find('eve'), undefined);
});

test('on a terminal the password is asked for twice and never shown', async () => {
  await using asked = session.onTerminal('user create fred --email f@example.org');
  await asked.waitFor(/Password: $/);
  asked.child.stdin?.write('hidden words\r');
  await asked.waitFor(/Again: $/);
  asked.child.stdin?.write('hidden words\r');
  await asked.waitFor(/Created the user fred/);
  assert.equal((await asked.exited).code, 0);
  assert.doesNotMatch(asked.stdout, /hidden/);
  assert.ok(await session.server.accounts.authenticator.byPassword('fred', 'hidden words', ''));
});

test('on a terminal, Ctrl-C at the question ends the command', async () => {
  await using asked = session.onTerminal('user create gina --email g@example.org');
  await asked.waitFor(/Password: $/);
  asked.child.stdin?.write('\u0003');
  assert.equal((await asked.exited).code, 130);
  assert.match(asked.stdout, /Cancelled/);
  assert.equal(await session.server.accounts.users.find('gina'), undefined);
});

test('a password is changed', async () => {
  assert.equal(
    await session.text(['user', 'password', 'bob', '--password-stdin'], { input: 'other words' }),
    'Changed the password of bob.\n',
  );
  assert.ok(await session.server.accounts.authenticator.byPassword('bob', 'other words', ''));
  assert.match(
    await session.refusal(['user', 'password', 'nobody', '--password-stdin'], 1, { input: 'x' }),
    /no user/,
  );
});

test('a token is printed alone, works, is listed and revoked', async () => {
  const printed = await session.text([
    'token',
    'create',
    'ada',
    '--scope',
    'repo:write',
    '--scope',
    'account',
    '--expires',
    '90d',
  ]);
  assert.match(printed, /^\S+\n$/);
  const token = printed.trim();
  const own = { env: { PACKHORSE_TOKEN: token } };
  assert.match(
    await session.refusal(['user', 'create', 'eve', '--email', 'e', '--password-stdin'], 1, {
      ...own,
      input: 'x',
    }),
    /administrator/,
  );
  const tokens = await session.json<{ id: string; scopes: string[]; expiresAt: string; lastUsedAt: null }[]>(
    ['token', 'list', 'ada'],
    own,
  );
  const made = tokens.at(-1);
  assert.deepEqual(made?.scopes, ['repo:write', 'account']);
  assert.ok(Date.parse(made?.expiresAt ?? '') > Date.now() + 89 * 86_400_000);
  assert.match(await session.text(['token', 'list', 'ada']), /repo:write,account .* never\n/);
  assert.match(await session.text(['token', 'revoke', 'ada', made?.id ?? '']), /^Revoked/);
  assert.match(await session.refusal(['token', 'list', 'ada'], 1, own), /Check PACKHORSE_TOKEN/);
  assert.match(await session.refusal(['token', 'revoke', 'ada', made?.id ?? ''], 1), /no such token/);
});

test('a token as JSON has its secret and what it may do', async () => {
  const made = await session.json<Record<string, unknown>>([
    'token',
    'create',
    'ada',
    '--scope',
    'repo:read',
    '--name',
    'ci',
  ]);
  assert.deepEqual(Object.keys(made).sort(), [
    'createdAt',
    'expiresAt',
    'id',
    'lastUsedAt',
    'name',
    'scopes',
    'token',
  ]);
  assert.deepEqual([made['name'], made['scopes'], made['expiresAt']], ['ci', ['repo:read'], null]);
});

test('a wrong scope or expiry is a wrong command line', async () => {
  assert.match(await session.refusal(['token', 'create', 'ada'], 2), /--scope/);
  assert.match(
    await session.refusal(['token', 'create', 'ada', '--scope', 'all'], 2),
    /repo:read, repo:write/,
  );
  assert.match(
    await session.refusal(['token', 'create', 'ada', '--scope', 'admin', '--expires', 'soon'], 2),
    /90d/,
  );
  assert.match(
    await session.refusal(['token', 'create', 'ada', '--scope', 'admin'], 1),
    /only for administrators/,
  );
});

test('a key is added from standard input, listed and removed', async () => {
  const input = '\n# mine\nssh-ed25519 AAAAC3NzaC1lZDI1 ada@laptop\n';
  assert.equal(
    await session.text(['key', 'add', 'ada'], { input }),
    'Added SHA256:aC1lZDI1 (ada@laptop) to ada.\n',
  );
  const titled = await session.json<{ id: string; title: string }>(['key', 'add', 'ada', '--title', 'Desk'], {
    input,
  });
  assert.equal(titled.title, 'Desk');
  assert.match(
    await session.text(['key', 'list', 'ada']),
    /^ID +TITLE +ALGORITHM +FINGERPRINT +CREATED\n.*ada@laptop.*\n.*Desk/,
  );
  assert.deepEqual(await session.json(['key', 'remove', 'ada', titled.id]), { id: titled.id });
  assert.equal((await session.json<unknown[]>(['key', 'list', 'ada'])).length, 1);
});

test('what is no public key is refused with the reason', async () => {
  for (const [input, code, message] of [
    ['', 2, /no public key/],
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nx\n', 2, /\.pub/],
    ['ssh-ed25519 AAAA a\nssh-ed25519 BBBB b\n', 2, /one at a time/],
    ['hello\n', 1, /not a public SSH key/],
  ] as const) {
    assert.match(await session.refusal(['key', 'add', 'ada'], code, { input }), message);
  }
  assert.match(await session.refusal(['key', 'list', 'nobody'], 1), /no user "nobody"/);
});

test('an empty list says so beside the result', async () => {
  const { code, stdout, stderr } = await session.run(['key', 'list', 'root']);
  assert.deepEqual([code, stdout], [0, '']);
  assert.match(stderr, /packhorse key add root/);
  assert.deepEqual(await session.json(['key', 'list', 'root']), []);
});
