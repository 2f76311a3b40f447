import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrustedProxies } from '#base';
import { HttpDoor, type RawClient } from '#test/http-door';
import { waitUntil } from '#test/wait';

const advertisement = '/ada/engine.git/info/refs?service=git-upload-pack';

test('a trusted proxy says where a request came from, anybody else does not', async () => {
  await using trusting = await HttpDoor.open({}, { proxies: new TrustedProxies(['127.0.0.1']) });
  const forwarded = ['-H', 'X-Forwarded-For: 192.0.2.66, 198.51.100.7'];
  await trusting.curl(advertisement, ...forwarded);
  await trusting.curl(advertisement);
  assert.deepEqual(
    trusting.git.requests.map(({ remoteAddress }) => remoteAddress),
    ['198.51.100.7', '127.0.0.1'],
  );
  await using wary = await HttpDoor.open();
  await wary.curl(advertisement, ...forwarded);
  assert.equal(wary.git.requests[0]?.remoteAddress, '127.0.0.1');
});

test('one address has so many connections, and is told so; a trusted proxy has as many as it needs', async () => {
  const settings = { maxConnectionsPerAddress: 2 };
  await using door = await HttpDoor.open(settings);
  const open = (at: HttpDoor): RawClient => {
    const client = at.connect();
    client.send(`GET ${advertisement} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return client;
  };
  const first = [open(door), open(door)];
  for (const client of first) assert.match(await client.until(/version 0/), /^HTTP\/1\.1 200 /);
  const refused = open(door);
  await refused.closed;
  assert.match(refused.received, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 5\r\n[^]*The server is busy/);
  for (const client of first) client.socket.destroy();
  await waitUntil('there is room again', async () =>
    (await door.curl(advertisement)).text.startsWith('HTTP/1.1 200'),
  );

  await using trusting = await HttpDoor.open(settings, { proxies: new TrustedProxies(['127.0.0.0/8']) });
  const many = [open(trusting), open(trusting), open(trusting)];
  for (const client of many) assert.match(await client.until(/version 0/), /^HTTP\/1\.1 200 /);
  for (const client of many) client.socket.destroy();
});
