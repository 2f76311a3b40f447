import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base';
import { checkImportSource, isPublicAddress } from './import-source.ts';

const resolvesTo = (...addresses: string[]) => ({
  trusted: false,
  resolve: () => Promise.resolve(addresses),
});

test('addresses that are not on the public Internet are told apart', () => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '224.0.0.1',
  ]) {
    assert.equal(isPublicAddress(address), false, address);
  }
  for (const address of ['140.82.121.3', '2606:50c0:8000::64', '::ffff:140.82.121.3']) {
    assert.equal(isPublicAddress(address), true, address);
  }
});

test('the connection is held to the address that was checked, and follows no redirect', async () => {
  const source = await checkImportSource('https://example.com/x.git', resolvesTo('140.82.121.3'));
  assert.equal(source.config['http.curloptResolve'], 'example.com:443:140.82.121.3');
  assert.equal(source.config['http.followRedirects'], 'false');
});

test('a name that leads to a private address, even among others, is refused', async () => {
  for (const addresses of [['127.0.0.1'], ['140.82.121.3', '10.0.0.1'], []]) {
    await assert.rejects(checkImportSource('http://intranet.example/x', resolvesTo(...addresses)), (thrown) =>
      hasCode(thrown, 'permission_denied'),
    );
  }
});

test('only http and https are spoken, and paths are for administrators', async () => {
  for (const source of ['ssh://host/x', 'file:///etc', 'ext::sh -c id', 'git://host/x', 'http:', 'http://']) {
    await assert.rejects(
      checkImportSource(source, resolvesTo('140.82.121.3')),
      (thrown) => hasCode(thrown, 'invalid_argument'),
      source,
    );
  }
  await assert.rejects(checkImportSource('/srv/x.git', { trusted: false }), (thrown) =>
    hasCode(thrown, 'permission_denied'),
  );
  await assert.rejects(checkImportSource('-x', { trusted: true }), (thrown) =>
    hasCode(thrown, 'invalid_argument'),
  );
  assert.equal((await checkImportSource('/srv/x.git', { trusted: true })).address, '/srv/x.git');
});
