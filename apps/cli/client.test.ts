import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { cliEnvironment, packhorse } from '#test/cli';
import { CliSession } from '#test/cli-session';
import { startProcess } from '#test/processes';

let session: CliSession;
before(async () => {
  session = await CliSession.start();
});
after(() => session[Symbol.asyncDispose]());

test('without a token the public part is still there, and the rest says what is missing', async () => {
  const anonymous = { env: { PACKHORSE_TOKEN: '' } };
  await session.server.repositories.add('ada', 'public', {});
  const listed = await session.json<{ repository: string; visibility: string }[]>(
    ['repo', 'list', '--owner', 'ada'],
    anonymous,
  );
  assert.ok(listed.some(({ repository }) => repository === 'ada/public'));
  assert.ok(listed.every(({ visibility }) => visibility === 'public'));
  assert.match(await session.refusal(['repo', 'create', 'ada/x'], 1, anonymous), /Set PACKHORSE_TOKEN/);
});

/** Something else than Packhorse that answers HTTP. */
async function strangeServer(
  answer: (path: string | undefined) => { status: number; headers: Record<string, string>; body: string },
) {
  const other = createServer((request, response) => {
    const { status, headers, body } = answer(request.url);
    response.writeHead(status, headers).end(body);
  });
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  return {
    env: { PACKHORSE_URL: `http://127.0.0.1:${(other.address() as AddressInfo).port}/below` },
    async [Symbol.asyncDispose]() {
      other.closeAllConnections();
      other.close();
      await once(other, 'close');
    },
  };
}

test('what answers but is no Packhorse server is told apart from one', async () => {
  for (const [status, headers, body, message] of [
    [502, {}, '<html>Bad gateway</html>', /not a Packhorse server \(HTTP status 502\)/],
    [200, {}, '{}', /not a Packhorse server/],
    [301, { location: 'https://git.example.org/graphql' }, '', /redirects to https:\/\/git\.example\.org/],
  ] as const) {
    await using other = await strangeServer(() => ({ status, headers, body }));
    assert.match(await session.refusal(['repo', 'list'], 1, other), message);
  }
});

test('a server below a prefix is asked below it', async () => {
  const paths: (string | undefined)[] = [];
  await using other = await strangeServer((path) => {
    paths.push(path);
    const body = { data: { repositories: { nodes: [], pageInfo: { endCursor: null, hasNextPage: false } } } };
    return { status: 200, headers: {}, body: JSON.stringify(body) };
  });
  assert.deepEqual(await session.json(['repo', 'list'], other), []);
  assert.deepEqual(paths, ['/below/graphql']);
});

test('when nothing answers, it says where it looked', async () => {
  const closed = await strangeServer(() => ({ status: 200, headers: {}, body: '' }));
  await closed[Symbol.asyncDispose]();
  assert.match(
    await session.refusal(['repo', 'list'], 1, closed),
    /No server answers at 127\.0\.0\.1:\d+\. Check PACKHORSE_URL/,
  );
});

test('output that nobody reads to its end is no error', async () => {
  await using reading = startProcess('sh', ['-c', `${packhorse} repo list --json | head -n 1`], {
    env: cliEnvironment(session.env),
  });
  assert.equal((await reading.exited).code, 0);
  assert.equal(reading.stderr, '');
});
