import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { getIntrospectionQuery } from 'graphql';
import { PackhorseError, silentLog, type Log } from '#base';
import { startGraphqlServer, type GraphqlServer } from '#test/graphql-server';

interface Problem {
  readonly errors: readonly { readonly message: string; readonly extensions: { readonly code: string } }[];
}

async function post(server: GraphqlServer, init: RequestInit): Promise<[number, Headers, Problem]> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"query":"{ node { name } }"}',
    ...init,
  });
  return [response.status, response.headers, (await response.json()) as Problem];
}

test('a query is answered without being stored anywhere', async () => {
  await using server = await startGraphqlServer();
  const [status, headers, body] = await post(server, {});
  assert.equal(status, 200);
  assert.deepEqual(body, { data: { node: { name: 'node-1' } } });
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.get('access-control-allow-origin'), null);
});

test('only POST is answered, as a browser cannot be made to send it from elsewhere', async () => {
  await using server = await startGraphqlServer();
  const answer = await fetch(`${server.url}/graphql?query={node{name}}`, {
    headers: { accept: 'text/html' },
  });
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.get('allow'), 'POST');
  assert.match(((await answer.json()) as Problem).errors[0]?.message ?? '', /POST/);
  const preflight = await fetch(`${server.url}/graphql`, {
    method: 'OPTIONS',
    headers: { origin: 'http://elsewhere.example', 'access-control-request-method': 'POST' },
  });
  assert.equal(preflight.status, 405);
  assert.equal(preflight.headers.get('access-control-allow-origin'), null);
});

test('every content type that a form can send is refused', async () => {
  await using server = await startGraphqlServer();
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    'text/plain; application/json',
  ]) {
    const [status, , body] = await post(server, { headers: { 'content-type': type } });
    assert.equal(status, 415, type);
    assert.equal(body.errors[0]?.extensions.code, 'invalid_argument');
  }
  const [status] = await post(server, { headers: { 'content-type': 'Application/JSON; charset=utf-8' } });
  assert.equal(status, 200);
});

test('several operations in one body are refused', async () => {
  await using server = await startGraphqlServer();
  const [status, , body] = await post(server, { body: '[{"query":"{ node { name } }"}]' });
  assert.equal(status, 400);
  assert.match(body.errors[0]?.message ?? '', /batching/i);
});

test('a body that is too large is refused by its length, and while it arrives', async () => {
  await using server = await startGraphqlServer({ http: { maxJsonBodyBytes: 100 } });
  const large = JSON.stringify({ query: `{ node { name } } #${'x'.repeat(200)}` });
  const [status, , body] = await post(server, { body: large });
  assert.deepEqual([status, body.errors[0]?.extensions.code], [413, 'resource_exhausted']);

  const chunked = await new Promise<number | undefined>((resolve, reject) => {
    const sending = request(
      `${server.url}/graphql`,
      { method: 'POST', headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' } },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    sending.on('error', reject);
    sending.write(large.slice(0, 50));
    sending.end(large.slice(50));
  });
  assert.equal(chunked, 413);
});

test('bad JSON, a bad query and an unknown field each say what is wrong', async () => {
  await using server = await startGraphqlServer();
  for (const [body, message] of [
    ['{"query":', /JSON/],
    ['{}', /query/],
    ['{"query":"{ node { "}', /Syntax Error/],
    ['{"query":"{ node { nam } }"}', /Cannot query field "nam"/],
    ['{"query":"mutation { createUser(input: {}) { id } }"}', /required/],
  ] as const) {
    const [, , { errors }] = await post(server, { body });
    assert.match(errors[0]?.message ?? '', message);
    assert.equal(errors[0]?.extensions.code, 'invalid_argument', body);
  }
});

test('a wrong credential is refused as a whole and says how to come in', async () => {
  await using server = await startGraphqlServer();
  const [status, headers, body] = await post(server, {
    headers: { 'content-type': 'application/json', authorization: 'Bearer nonsense' },
  });
  assert.equal(status, 401);
  assert.equal(body.errors[0]?.extensions.code, 'unauthenticated');
  assert.match(headers.get('www-authenticate') ?? '', /Bearer.*Basic/);
});

test('a password opens the door as well as a token', async () => {
  await using server = await startGraphqlServer();
  const [, , body] = await post(server, {
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from('ada:ada-password').toString('base64')}`,
    },
    body: '{"query":"{ viewer { login authentication } }"}',
  });
  assert.deepEqual(body, { data: { viewer: { login: 'ada', authentication: 'PASSWORD' } } });
});

test('what is our fault is logged and masked', async () => {
  const logged: unknown[] = [];
  const log: Log = {
    ...silentLog,
    child: () => log,
    error: (_message, fields) => logged.push(fields?.['error']),
  };
  await using server = await startGraphqlServer({ log });
  const token = await server.token('ada');
  const secret = new Error('connection string with password');
  server.accounts.users.find = () => Promise.reject(secret);
  const { errors } = await server.ask('{ user(login: "bob") { login } }', { token });
  assert.equal(errors?.[0]?.message, 'Something went wrong on the server.');
  assert.equal(errors?.[0]?.extensions.code, 'internal');
  assert.deepEqual(errors?.[0]?.path, ['user']);
  assert.doesNotMatch(JSON.stringify(errors), /connection string|stack/);
  assert.deepEqual(logged, [secret]);
});

test('an authentication that fails for another reason is not taken for a wrong password', async () => {
  await using server = await startGraphqlServer();
  server.accounts.authenticate = () =>
    Promise.reject(new PackhorseError('unavailable', 'Too many logins at once. Try again.'));
  const [status, headers, body] = await post(server, {});
  assert.equal(status, 503);
  assert.equal(headers.get('www-authenticate'), null);
  assert.equal(body.errors[0]?.message, 'Too many logins at once. Try again.');
});

test('introspection works, at any depth that tools use', async () => {
  await using server = await startGraphqlServer();
  const { data, errors } = await server.ask(getIntrospectionQuery());
  assert.equal(errors, undefined);
  assert.ok(data?.['__schema']);
});

test('a query that is too deep, too dear or too long is refused before it runs', async () => {
  await using server = await startGraphqlServer({ graphql: { maxDepth: 4, maxCost: 100, maxTokens: 60 } });
  const token = await server.token('ada');
  await server.repositories.add('ada', 'x', { commits: 3 });
  const code = async (query: string): Promise<string | undefined> => {
    const { errors } = await server.ask(query, { token });
    return errors?.[0] && `${errors[0].extensions.code}: ${errors[0].message}`;
  };
  const deep = '{ repository(owner: "ada", name: "x") { commit { author { name } } } }';
  assert.equal(await code(deep), undefined);
  assert.match(
    (await code('{ repository(owner: "ada", name: "x") { head { commit { author { name } } } } }')) ?? '',
    /resource_exhausted: .*5 levels/,
  );
  assert.match(
    (await code('{ users(first: 60) { nodes { login } } }')) ?? '',
    /resource_exhausted: .*points/,
  );
  assert.match((await code(`{ ${'node { name } '.repeat(30)} }`)) ?? '', /invalid_argument: .*tokens/);
});
