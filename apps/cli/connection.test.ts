import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '#test/temporary';
import { findConnection } from './connection.ts';

function dataDirectory(content: string): string {
  const directory = temporaryDirectory('data');
  writeFileSync(join(directory, 'admin.json'), content, { mode: 0o600 });
  return directory;
}

const local = dataDirectory('{"url":"http://127.0.0.1:3000","token":"operator"}');

test('the environment names a server and a token', async () => {
  const found = await findConnection(undefined, {
    PACKHORSE_URL: 'https://git.example.org/packhorse',
    PACKHORSE_TOKEN: 'mine',
    PACKHORSE_DATA_DIR: local,
  });
  assert.deepEqual(
    { ...found, url: found.url.href },
    { url: 'https://git.example.org/packhorse', token: 'mine', isLocal: false, origin: 'PACKHORSE_URL' },
  );
});

test('the server of the data directory is found by itself', async () => {
  for (const [option, environment] of [
    [local, { PACKHORSE_URL: 'http://elsewhere', PACKHORSE_TOKEN: 'other' }],
    [undefined, { PACKHORSE_DATA_DIR: local }],
  ] as const) {
    const found = await findConnection(option, environment);
    assert.equal(found.url.host, '127.0.0.1:3000');
    assert.equal(found.token, 'operator');
    assert.equal(found.isLocal, true);
  }
});

test('a token alone comes to the server of this machine', async () => {
  const found = await findConnection(undefined, { PACKHORSE_DATA_DIR: local, PACKHORSE_TOKEN: 'mine' });
  assert.deepEqual([found.url.host, found.token], ['127.0.0.1:3000', 'mine']);
});

test('the operator token is never sent to another server', async () => {
  const found = await findConnection(undefined, {
    PACKHORSE_URL: 'http://elsewhere',
    PACKHORSE_DATA_DIR: local,
  });
  assert.equal(found.token, undefined);
});

test('when no server is there, it says how to start or name one', async () => {
  await assert.rejects(
    findConnection(temporaryDirectory('data'), {}),
    /No server is running here .*npx packhorse serve.*--data-dir.*PACKHORSE_URL/,
  );
});

test('a damaged file, and one that may not be read, are told apart', async () => {
  for (const content of ['', '{}', '{"url":', '[]', 'null']) {
    await assert.rejects(findConnection(dataDirectory(content), {}), /damaged/, content);
  }
  await assert.rejects(findConnection(dataDirectory('{"url":"ftp://x","token":"t"}'), {}), /http or https/);
});

test('a URL that is none is a mistake on the command line', async () => {
  for (const url of ['localhost:3000', 'ftp://x', 'nonsense']) {
    await assert.rejects(findConnection(undefined, { PACKHORSE_URL: url }), { code: 'usage' }, url);
  }
});

test('a data directory of another user says whom to be', async () => {
  const closed = join(dataDirectory('{}'), 'closed');
  mkdirSync(closed);
  writeFileSync(join(closed, 'admin.json'), '{}');
  chmodSync(closed, 0);
  // Root may read everything, so it has to be somebody else for a moment.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await assert.rejects(findConnection(closed, {}), /user who runs the server/);
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});
