import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, deflateSync } from 'node:zlib';
import { count } from '#test/fake-git-gateway';
import { HttpDoor } from '#test/http-door';
import { runChecked } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';

const refs = (repository: string, service = 'git-upload-pack'): string =>
  `/ada/${repository}.git/info/refs?service=${service}`;

const post = (service: string): string[] => ['-H', `Content-Type: application/x-git-${service}-request`];

test('refs are advertised with the service line and without caching, as git http-backend does', async () => {
  await using door = await HttpDoor.open();
  const { text } = await door.curl(refs('engine'));
  assert.match(text, /^HTTP\/1\.1 200 OK\n/);
  assert.match(text, /^Content-Type: application\/x-git-upload-pack-advertisement$/m);
  assert.match(text, /^Expires: Fri, 01 Jan 1980 00:00:00 GMT$/m);
  assert.match(text, /^Pragma: no-cache$/m);
  assert.match(text, /^Cache-Control: no-cache, max-age=0, must-revalidate$/m);
  assert.match(text, /\n\n001e# service=git-upload-pack\n0000refs of version 0$/);
  assert.deepEqual(door.git.requests[0], {
    identity: { kind: 'anonymous' },
    path: 'ada/engine.git',
    service: 'upload-pack',
    transport: 'http',
    remoteAddress: '127.0.0.1',
  });
  assert.equal(door.git.openSessions, 0);
});

test('protocol v2 has no service line when fetching, and does not exist when pushing', async () => {
  await using door = await HttpDoor.open();
  const v2 = ['-H', 'Git-Protocol: version=2'];
  assert.match((await door.curl(refs('engine'), ...v2)).text, /\n\nrefs of version 2$/);
  const push = await door.curl(refs('engine', 'git-receive-pack'), ...v2);
  assert.match(push.text, /\n\n001f# service=git-receive-pack\n0000refs of version 0$/);
  const v1 = await door.curl(refs('engine'), '-H', 'Git-Protocol: version=1');
  assert.match(v1.text, /# service=git-upload-pack\n0000refs of version 1$/);
});

test('HEAD of the refs answers the header only', async () => {
  await using door = await HttpDoor.open();
  const { text } = await door.curl(refs('engine'), '--head');
  assert.match(text, /^HTTP\/1\.1 200 OK\n[^]*x-git-upload-pack-advertisement[^]*\n\n$/);
  assert.equal(door.git.conversations.length, 0);
});

test('a call is answered with the result of the service', async () => {
  await using door = await HttpDoor.open();
  const { text } = await door.curl('/a/b/git-receive-pack', ...post('receive-pack'), '-d', 'pack');
  assert.match(text, /^Content-Type: application\/x-git-receive-pack-result$/m);
  assert.match(text, /\n\necho:pack$/);
});

test('bodies are inflated, and what does not inflate is refused', async () => {
  await using door = await HttpDoor.open();
  const file = join(temporaryDirectory('body'), 'body');
  const send = async (encoding: string, body: Uint8Array) => {
    writeFileSync(file, body);
    const args = [...post('upload-pack'), '-H', `Content-Encoding: ${encoding}`, '--data-binary', `@${file}`];
    return (await door.curl('/a/b/git-upload-pack', ...args)).text;
  };
  const words = Buffer.from('wants and haves');
  assert.match(await send('gzip', gzipSync(words)), /echo:wants and haves$/);
  assert.match(await send('X-GZip', gzipSync(words)), /echo:wants and haves$/);
  assert.match(await send('deflate', deflateSync(words)), /echo:wants and haves$/);
  assert.match(await send('identity', words), /echo:wants and haves$/);
  assert.match(await send('br', words), /^HTTP\/1\.1 415 /);
  door.git.serve = count;
  assert.match(await send('gzip', words), /^HTTP\/1\.1 400 [^]*not compressed as its header says/);
  assert.match(await send('gzip', gzipSync(words).subarray(0, -9)), /^HTTP\/1\.1 400 /);
});

test('a zip bomb is inflated a little at a time', async () => {
  await using door = await HttpDoor.open();
  const bombBytes = 192 * 1024 * 1024;
  const file = join(temporaryDirectory('bomb'), 'bomb');
  await runChecked('sh', ['-c', `head -c ${bombBytes} /dev/zero | gzip -1 > ${file}`]);
  let largestBytes = 0;
  door.git.serve = async ({ input, output }) => {
    let sizeBytes = 0;
    for await (const chunk of input) {
      sizeBytes += chunk.length;
      largestBytes = Math.max(largestBytes, process.memoryUsage().external);
    }
    await output.write(Buffer.from(`received ${sizeBytes}`));
  };
  const args = [...post('upload-pack'), '-H', 'Content-Encoding: gzip', '--data-binary', `@${file}`];
  assert.match((await door.curl('/a/b/git-upload-pack', ...args)).text, new RegExp(`received ${bombBytes}$`));
  assert.ok(largestBytes < bombBytes / 3, `${largestBytes} bytes outside the heap`);
});

test('the content type must be the one of the service', async () => {
  await using door = await HttpDoor.open();
  const { text } = await door.curl('/a/b/git-upload-pack', ...post('receive-pack'), '-d', 'x');
  assert.match(
    text,
    /^HTTP\/1\.1 415 [^]*Expected POST with Content-Type 'application\/x-git-upload-pack-request', but received .*\n$/,
  );
  assert.equal(door.git.requests.length, 0);
});

test('refusals are sentences of plain text with the right status', async () => {
  await using door = await HttpDoor.open();
  const cases: readonly [status: number, message: RegExp, path: string, args: readonly string[]][] = [
    [404, /There is no repository here\.\n$/, refs('missing'), []],
    [401, /Please log in\.\n$/, refs('hidden'), []],
    [403, /You may not push/, refs('readonly', 'git-receive-pack'), ['-u', 'ada:lovelace']],
    [503, /The server is busy\.\n$/, refs('busy'), []],
    [403, /The dumb HTTP protocol/, '/ada/engine.git/HEAD', []],
    [400, /not a valid repository address/, '/ada/..%2fx/info/refs?service=git-upload-pack', []],
    [405, /called with POST/, '/ada/engine.git/git-upload-pack', []],
    [429, /Too many failed logins\.\n$/, refs('engine'), ['-u', 'flood:x']],
  ];
  for (const [status, message, path, args] of cases) {
    const { text } = await door.curl(path, ...args);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), path);
    assert.match(text, /^Content-Type: text\/plain; charset=utf-8$/m, path);
    assert.match(text, message);
  }
  assert.match((await door.curl(refs('busy'))).text, /^Retry-After: \d+$/m);
  assert.match((await door.curl('/a/b.git/git-upload-pack')).text, /^Allow: POST$/m);
});

test('a login is asked for in the way that makes git ask its user', async () => {
  await using door = await HttpDoor.open();
  const { text } = await door.curl(refs('hidden'));
  assert.match(text, /^WWW-Authenticate: Basic realm="Packhorse", charset="UTF-8"$/m);
  for (const args of [
    ['-u', 'ada:lovelace'],
    ['-u', 'token1:'],
    ['-u', 'token1:x-oauth-basic'],
    ['-H', 'Authorization: Bearer token1'],
  ]) {
    assert.match((await door.curl(refs('hidden'), ...args)).text, /^HTTP\/1\.1 200 /, args.join(' '));
  }
  assert.equal(door.accesses.at(-1)?.['login'], 'ada');
});

test('a wrong login is refused even where none is needed', async () => {
  await using door = await HttpDoor.open();
  for (const args of [
    ['-u', 'ada:wrong'],
    ['-u', 'token2:'],
    ['-H', 'Authorization: Bearer token2'],
    ['-H', 'Authorization: Digest x'],
  ]) {
    const { text } = await door.curl(refs('engine'), ...args);
    assert.match(text, /^HTTP\/1\.1 401 /, args.join(' '));
    assert.match(text, /^WWW-Authenticate: /m);
  }
  assert.equal(door.git.requests.length, 0);
});

test('an error of ours is logged with its cause, and the client is told no detail', async () => {
  await using door = await HttpDoor.open();
  const { text } = await door.curl(refs('broken'), '-H', 'X-Request-Id: mine-1');
  assert.match(text, /^HTTP\/1\.1 500 [^]*Please quote request mine-1 when you report it\.\n$/);
  assert.doesNotMatch(text, /secret detail/);
  assert.equal(door.failures[0]?.['requestId'], 'mine-1');
  assert.equal(door.git.openSessions, 0);
});

test('a failure after the first bytes breaks the response off, so that nobody takes it for whole', async () => {
  await using door = await HttpDoor.open();
  door.git.serve = async ({ output }) => {
    await output.write(Buffer.from('half'));
    throw new Error('disk on fire');
  };
  const { code, text } = await door.curl('/a/b/git-upload-pack', ...post('upload-pack'), '-d', 'x');
  assert.notEqual(code, 0);
  assert.match(text, /^HTTP\/1\.1 200 /);
  assert.equal(door.accesses[0]?.['aborted'], true);
  assert.equal(door.git.openSessions, 0);
});

test('every request has an id, the given one where it is harmless', async () => {
  await using door = await HttpDoor.open();
  assert.match((await door.curl('/', '-H', 'X-Request-Id: abc.1-2')).text, /^X-Request-Id: abc\.1-2$/m);
  assert.match(
    (await door.curl('/', '-H', 'X-Request-Id: no spaces')).text,
    /^X-Request-Id: [0-9a-f-]{36}$/m,
  );
});

test('everything that is not for Git goes to the other doors', async () => {
  await using door = await HttpDoor.open();
  assert.match((await door.curl('/ada/engine')).text, /a page\n$/);
  assert.match((await door.curl('/graphql', '-d', '{}', '-H', 'Expect: 100-continue')).text, /a page\n$/);
  const broken = await HttpDoor.open(
    {},
    {
      fallback: () => {
        throw new Error('no page');
      },
    },
  );
  assert.match((await broken.curl('/ada')).text, /^HTTP\/1\.1 500 /);
  await broken[Symbol.asyncDispose]();
});

test('each request is one line in the access log', async () => {
  await using door = await HttpDoor.open();
  await door.curl('/a/b/git-upload-pack?x=secret', ...post('upload-pack'), '-d', 'x'.repeat(5000));
  const access = door.accesses[0];
  assert.equal(access?.['door'], 'git');
  assert.equal(access?.path, '/a/b/git-upload-pack');
  assert.equal(access?.status, 200);
  assert.ok(Number(access?.['bytesIn']) > 5000);
  assert.ok(Number(access?.['bytesOut']) > 5000);
  assert.equal(access?.['remoteAddress'], '127.0.0.1');
  assert.match(String(access?.['userAgent']), /^curl/);
});

test('the node says how it is, and counts what it did', async () => {
  let problem: string | undefined;
  const health = { live: async () => undefined, ready: async () => problem };
  await using door = await HttpDoor.open({}, { health });
  assert.match((await door.curl('/healthz')).text, /^HTTP\/1\.1 200 [^]*\n\nok\n$/);
  assert.match((await door.curl('/readyz')).text, /^HTTP\/1\.1 200 /);
  problem = 'The database does not answer.';
  assert.match((await door.curl('/readyz')).text, /^HTTP\/1\.1 503 [^]*The database does not answer\.\n$/);
  assert.match((await door.curl('/healthz', '-X', 'POST')).text, /^HTTP\/1\.1 405 /);
  const { text } = await door.curl('/metrics');
  assert.match(text, /^Content-Type: text\/plain; version=/m);
  assert.match(text, /^packhorse_http_requests_total\{door="status",status="5xx"\} 1$/m);
});
