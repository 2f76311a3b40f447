import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AddressedRequest, clientAddress, TrustedProxies } from './client-address.ts';

function client(
  proxies: TrustedProxies,
  peer: string,
  field?: string | readonly string[],
  header = 'x-forwarded-for',
): string {
  const request: AddressedRequest = { socket: { remoteAddress: peer }, headers: { [header]: field } };
  proxies.note(request);
  return clientAddress(request);
}

const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);

test('nobody is believed who is no trusted proxy', () => {
  assert.equal(client(proxies, '198.51.100.7', '1.2.3.4'), '198.51.100.7');
  assert.equal(client(new TrustedProxies([]), '10.0.0.1', '1.2.3.4'), '10.0.0.1');
});

test('a trusted proxy names the client, and what the client invented before it does not count', () => {
  assert.equal(client(proxies, '10.0.0.1', '198.51.100.7'), '198.51.100.7');
  assert.equal(client(proxies, '::ffff:10.0.0.1', '1.2.3.4, 198.51.100.7'), '198.51.100.7');
  assert.equal(client(proxies, '10.0.0.1', '1.2.3.4, 198.51.100.7, 10.9.9.9'), '198.51.100.7');
  assert.equal(client(proxies, '10.0.0.1', ['1.2.3.4', '198.51.100.7, 192.0.2.1']), '198.51.100.7');
  assert.equal(client(proxies, 'fd00::1', '[2001:db8::7]:1234'), '2001:db8::7');
  assert.equal(client(proxies, '10.0.0.1', '198.51.100.7:5678'), '198.51.100.7');
});

test('where no client is named, the connection counts', () => {
  for (const field of [undefined, '', 'unknown', 'x, , ']) {
    assert.equal(client(proxies, '10.0.0.1', field), '10.0.0.1');
  }
  assert.equal(client(proxies, '10.0.0.1', '10.0.0.2, 10.0.0.3'), '10.0.0.2');
  assert.equal(client(proxies, '10.0.0.1', 'nonsense, 10.0.0.3'), '10.0.0.3');
});

test('the field may be another one', () => {
  const fly = new TrustedProxies(['172.16.0.0/12'], 'Fly-Client-IP');
  assert.equal(client(fly, '172.16.1.1', '198.51.100.7', 'fly-client-ip'), '198.51.100.7');
  assert.equal(client(fly, '172.16.1.1', '198.51.100.7'), '172.16.1.1');
});

test('what is no network is refused by name', () => {
  for (const text of ['', 'host', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0', '::/129', '10.0.0.0/x']) {
    assert.throws(() => new TrustedProxies([text]), RangeError, text);
  }
});
