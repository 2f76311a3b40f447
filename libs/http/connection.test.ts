import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode, PackhorseError } from '#base';
import { text } from '#test/fake-git-gateway';
import { HttpDoor, type RawClient } from '#test/http-door';
import { waitUntil } from '#test/wait';
import type { Conversation } from '#wire';

/** A request header as it is on the wire. */
function header(start: string, ...fields: readonly string[]): string {
  return [`${start} HTTP/1.1`, 'Host: packhorse.test', ...fields, '', ''].join('\r\n');
}

const typed = 'Content-Type: application/x-git-receive-pack-request';
const push = (...fields: readonly string[]): string => header('POST /a/b/git-receive-pack', typed, ...fields);
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`;

test('a request that arrives one byte at a time is answered like any other', async () => {
  await using door = await HttpDoor.open();
  const client = door.connect();
  const request = push('Transfer-Encoding: chunked') + chunk('abc') + chunk('de') + '0\r\n\r\n';
  for (const byte of request) {
    client.send(byte);
    await new Promise(setImmediate);
  }
  assert.equal(await client.body(), 'echo:abcde');
  assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(door.git.conversations.length, 1);
  client.socket.destroy();
});

test('whatever the sizes of chunks and writes, the bytes are the same', async () => {
  await using door = await HttpDoor.open();
  const pieces = fc.array(fc.string({ minLength: 1, maxLength: 50, unit: fc.constantFrom('a', 'b', '\n') }));
  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(7), async (parts, cut) => {
      const client = door.connect();
      const sent = push('Transfer-Encoding: chunked') + parts.map(chunk).join('') + '0\r\n\r\n';
      const at = Math.floor((sent.length * cut) / 8);
      client.send(sent.slice(0, at));
      await new Promise(setImmediate);
      client.send(sent.slice(at));
      assert.equal(await client.body(), `echo:${parts.join('')}`);
      client.socket.destroy();
    }),
    { numRuns: 50 },
  );
});

test('an answer that is ready at once has a length, one that takes longer or is long has chunks', async () => {
  await using door = await HttpDoor.open();
  const later = Promise.withResolvers<void>();
  const answers = {
    short: async ({ output }: Conversation) => {
      await output.write(Buffer.from('one, '));
      await output.write(Buffer.from('two'));
    },
    slow: async ({ output }: Conversation) => {
      await output.write(Buffer.from('one, '));
      await later.promise;
      await output.write(Buffer.from('two'));
    },
    long: ({ output }: Conversation) => output.write(Buffer.alloc(1_000_000, 'x')),
  };
  const ask = (answer: keyof typeof answers): RawClient => {
    door.git.serve = answers[answer];
    const client = door.connect();
    client.send(push('Content-Length: 0'));
    return client;
  };
  const short = ask('short');
  assert.equal(await short.body(), 'one, two');
  assert.match(short.received, /^Content-Length: 8\r$/m);
  const slow = ask('slow');
  // What is there is sent before the rest is.
  await slow.until(/one, /);
  later.resolve();
  assert.equal(await slow.body(), 'one, two');
  assert.match(slow.received, /^Transfer-Encoding: chunked\r$/m);
  const long = ask('long');
  assert.equal((await long.body()).length, 1_000_000);
  assert.match(long.received, /^Transfer-Encoding: chunked\r$/m);
  for (const client of [short, slow, long]) client.socket.destroy();
});

test('what was said before a failure still reaches the client, whose connection then ends', async () => {
  await using door = await HttpDoor.open();
  door.git.serve = async ({ output }) => {
    await output.write(Buffer.from('ERR sorry'));
    throw new PackhorseError('internal', 'Something broke.');
  };
  const client = door.connect();
  client.send(push('Content-Length: 0'));
  await client.closed;
  assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n[^]*ERR sorry/);
});

test('a client that waits for 100 Continue is refused before it sends anything', async () => {
  await using door = await HttpDoor.open();
  for (const [name, status] of [
    ['missing', 404],
    ['hidden', 401],
  ] as const) {
    const client = door.connect();
    client.send(
      header(`POST /a/${name}/git-receive-pack`, typed, 'Expect: 100-continue', 'Content-Length: 9999'),
    );
    const response = await client.until(/\n$/);
    assert.match(response, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(response, /^Connection: close\r$/m);
    await client.closed;
  }
});

test('a client that waits for 100 Continue is asked to go on once it is let in', async () => {
  await using door = await HttpDoor.open();
  const client = door.connect();
  client.send(push('Expect: 100-continue', 'Content-Length: 4'));
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
  client.send('pack');
  assert.match(await client.body(), /pack$/);
  assert.match(client.received, /HTTP\/1\.1 200 OK/);
  client.socket.destroy();
});

test('a refused push that is already on its way still sees its answer', async () => {
  await using door = await HttpDoor.open();
  const client = door.connect();
  client.send(header('POST /a/missing/git-receive-pack', typed, `Content-Length: ${16 * 1024 * 1024}`));
  const megabyte = Buffer.alloc(1024 * 1024);
  for (let sent = 0; sent < 16; sent += 1) {
    if (!client.socket.write(megabyte)) await once(client.socket, 'drain');
  }
  assert.match(await client.until(/There is no repository here\.\n/), /^HTTP\/1\.1 404 /);
  await client.closed;
});

test('a refused push that never ends is cut off after a while', async () => {
  await using door = await HttpDoor.open({ lingerTimeoutMs: 50 });
  const client = door.connect();
  client.send(header('POST /a/missing/git-receive-pack', typed, 'Content-Length: 1000000'));
  client.send('some');
  await client.closed;
  assert.match(client.received, /^HTTP\/1\.1 404 /);
});

test('a service that does not read its whole request leaves the connection usable', async () => {
  await using door = await HttpDoor.open();
  door.git.serve = async ({ output }) => output.write(Buffer.from('enough'));
  const client = door.connect();
  client.send(push('Content-Length: 10'));
  client.send('0123456789');
  assert.equal(await client.body(), 'enough');
  client.send(header('GET /healthz'));
  await client.until(/ok\n$/);
  client.socket.destroy();
});

test('a client that goes away aborts its conversation and nobody else is bothered', async () => {
  await using door = await HttpDoor.open();
  const outcome = Promise.withResolvers<unknown>();
  door.git.serve = async ({ input }) => {
    await text(input).then(outcome.resolve, outcome.reject);
  };
  const client = door.connect();
  client.send(push('Content-Length: 1000'));
  client.send('half a pa');
  await waitUntil('the conversation runs', () => door.git.conversations.length === 1);
  client.socket.destroy();
  await assert.rejects(outcome.promise, (thrown) => hasCode(thrown, 'cancelled'));
  assert.equal(door.git.conversations[0]?.signal.aborted, true);
  await waitUntil('the session is over', () => door.git.openSessions === 0);
  assert.match((await door.curl('/healthz')).text, /ok\n$/);
});

test('a client that does not read stops the producer', async () => {
  await using door = await HttpDoor.open();
  let writtenBytes = 0;
  const block = Buffer.alloc(64 * 1024);
  door.git.serve = async ({ output }) => {
    for (;;) {
      await output.write(block);
      writtenBytes += block.length;
    }
  };
  const client = door.connect();
  client.socket.pause();
  client.send(push('Content-Length: 0'));
  let before = -1;
  await waitUntil('the producer rests', async () => {
    const isResting = writtenBytes > 0 && writtenBytes === before;
    before = writtenBytes;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isResting;
  });
  // What the kernel holds for both sides, and nothing to speak of besides.
  assert.ok(writtenBytes < 32 * 1024 * 1024, `${writtenBytes} bytes`);
  client.socket.destroy();
  await waitUntil('the session is over', () => door.git.openSessions === 0);
});

test('a producer that does not read stops the client', async () => {
  await using door = await HttpDoor.open();
  door.git.serve = ({ signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const client = door.connect();
  client.send(push(`Content-Length: ${1024 ** 3}`));
  const block = Buffer.alloc(64 * 1024);
  let sentBytes = 0;
  const fill = (): void => {
    while (client.socket.write(block)) sentBytes += block.length;
    sentBytes += block.length;
  };
  client.socket.on('drain', fill);
  fill();
  let before = -1;
  await waitUntil('the client is stopped', async () => {
    const isStopped = sentBytes === before;
    before = sentBytes;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isStopped;
  });
  assert.ok(sentBytes < 32 * 1024 * 1024, `${sentBytes} bytes`);
  client.socket.destroy();
});

test('a header that does not come in time is given up', async () => {
  await using door = await HttpDoor.open({ headersTimeoutMs: 200 });
  const silent = door.connect();
  const slow = door.connect();
  slow.send('GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow');
  await Promise.all([silent.closed, slow.closed]);
  assert.match(slow.received, /^HTTP\/1\.1 408 [^]*did not arrive in time\.\n$/);
});

test('a request that stalls is given up', async () => {
  await using door = await HttpDoor.open({ stallTimeoutMs: 200 });
  const client = door.connect();
  client.send(push('Content-Length: 1000'));
  client.send('and then nothing');
  await client.closed;
  await waitUntil('the session is over', () => door.git.openSessions === 0);
  assert.equal(door.git.conversations[0]?.signal.aborted, true);
});

test('a connection that rests too long is closed', async () => {
  await using door = await HttpDoor.open({ idleTimeoutMs: 100 });
  const client = door.connect();
  client.send(header('GET /healthz'));
  await client.until(/ok\n$/);
  await client.closed;
});

test('what is not HTTP is told so', async () => {
  await using door = await HttpDoor.open({ maxHeaderBytes: 2048 });
  for (const [bytes, expected] of [
    ['SSH-2.0-OpenSSH_9.2\r\n', /^HTTP\/1\.1 400 [^]*not a valid HTTP request\.\n$/],
    [header('GET /', `X-Long: ${'x'.repeat(4096)}`), /^HTTP\/1\.1 431 [^]*header is too large\.\n$/],
    ['GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  ] as const) {
    const client = door.connect();
    client.send(bytes);
    await client.closed;
    assert.match(client.received, expected);
  }
});

test('chunks that are none end the request with one clear answer', async () => {
  await using door = await HttpDoor.open();
  const client = door.connect();
  door.git.serve = async ({ input, output }) => output.write(Buffer.from(await text(input)));
  client.send(push('Transfer-Encoding: chunked') + chunk('ok') + 'not a size\r\n');
  await client.closed;
  assert.match(client.received, /^HTTP\/1\.1 400 /);
  assert.equal(client.received.match(/HTTP\/1\.1/g)?.length, 1);
  assert.equal(door.git.conversations[0]?.signal.aborted, true);
});

test('more connections than allowed are closed at once, and counted', async () => {
  await using door = await HttpDoor.open({ maxConnections: 2 });
  const first = door.connect();
  const second = door.connect();
  for (const client of [first, second]) {
    client.send(header('GET /healthz'));
    await client.until(/ok\n$/);
  }
  const third = door.connect();
  await third.closed;
  const { body: exposition } = await door.metrics.exposition();
  assert.match(exposition, /packhorse_limits_reached_total\{limit="http_connections"\} 1/);
  first.socket.destroy();
  second.socket.destroy();
});

test('draining closes resting connections and lets a running request finish', async () => {
  await using door = await HttpDoor.open();
  const resting = door.connect();
  resting.send(header('GET /healthz'));
  await resting.until(/ok\n$/);
  const running = door.connect();
  running.send(push('Content-Length: 4'));
  await waitUntil('the conversation runs', () => door.git.conversations.length === 1);
  const drained = door.drain(60_000);
  await resting.closed;
  const late = door.connect();
  await late.closed;
  running.send('pack');
  await Promise.all([drained, running.closed]);
  assert.match(await running.body(), /echo:[^]*pack$/);
});

test('draining ends what does not finish in time', async () => {
  await using door = await HttpDoor.open();
  const running = door.connect();
  running.send(push('Content-Length: 4'));
  await waitUntil('the conversation runs', () => door.git.conversations.length === 1);
  await door.drain(0);
  await running.closed;
  const reason: unknown = door.git.conversations[0]?.signal.reason;
  assert.ok(hasCode(reason, 'unavailable'));
  assert.equal(door.git.openSessions, 0);
});
