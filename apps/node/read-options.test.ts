import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base';
import { readOptions } from './read-options.ts';

test('a flag wins over its variable, and the variable over the default', () => {
  assert.equal(readOptions({ httpPort: '1' }, { PACKHORSE_HTTP_PORT: '2' }).httpPort, 1);
  assert.equal(readOptions({}, { PACKHORSE_HTTP_PORT: '2' }).httpPort, 2);
  assert.equal(readOptions({}, {}).httpPort, 3000);
});

test('the region of Fly.io is used unless another one is named', () => {
  assert.equal(readOptions({}, { FLY_REGION: 'fra' }).region, 'fra');
  assert.equal(readOptions({ region: 'iad' }, { FLY_REGION: 'fra' }).region, 'iad');
});

test('a machine of Fly.io has the name and the private address that it has there', () => {
  const fly = { FLY_MACHINE_ID: '148ed127', FLY_PRIVATE_IP: 'fdaa:0:1::2' };
  const cluster = { nats: 'nats://127.0.0.1', databaseUrl: 'postgresql://a', clusterPort: '7000' };
  assert.equal(readOptions({}, fly).nodeName, '148ed127');
  assert.equal(readOptions({}, fly).clusterAddress, undefined);
  assert.equal(readOptions(cluster, fly).clusterAddress, '[fdaa:0:1::2]:7000');
  assert.equal(readOptions({ ...cluster, clusterAddress: 'a:1' }, fly).clusterAddress, 'a:1');
});

test('a wrong value is refused with the name of its flag', () => {
  for (const flags of [
    { httpPort: 'many' },
    { sshPort: '70000' },
    { httpPort: '' },
    { logLevel: 'loud' },
    { anonymousPush: true },
    { gitPort: '9418' },
    { root: '/srv', exportAll: true },
    { root: '/srv', gitPort: 'x' },
    { root: '/srv', interpolatedPath: '/srv/%H%D' },
    { root: '/srv', gitPort: '0', interpolatedPath: '/srv/%H' },
    { root: '/srv', remoteUserHeader: 'X-Remote-User' },
    { remoteUserHeader: 'X-Remote-User', trustedProxies: '10.0.0.0/8' },
    { trustedProxies: '10.0.0.0/99' },
    { trustedProxies: 'proxy.example.org' },
  ]) {
    assert.throws(
      () => readOptions(flags, {}),
      (thrown) => hasCode(thrown, 'invalid_argument') && /--/.test(thrown.message),
      JSON.stringify(flags),
    );
  }
});

test('safety that a single node cannot give is refused, not promised', () => {
  assert.equal(readOptions({ durability: '1' }, {}).durability, 1);
  for (const flags of [
    { durability: '2' },
    { durability: 'all' },
    { nats: 'nats://127.0.0.1:4222' },
    { clusterPort: '7000' },
    { nats: 'nats://127.0.0.1:4222', databaseUrl: 'postgresql://a', clusterTlsCa: 'ca.pem' },
    { nats: 'nats://127.0.0.1:4222', databaseUrl: 'postgresql://a', root: '/srv' },
  ]) {
    assert.throws(
      () => readOptions(flags, {}),
      (thrown) => hasCode(thrown, 'invalid_argument'),
      JSON.stringify(flags),
    );
  }
});
