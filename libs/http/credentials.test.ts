import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode } from '#base';
import { fuzzRuns } from '#test/fuzz';
import { authenticate, parseAuthorization } from './credentials.ts';

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

test('a login and its secret are read, also when the secret has colons and is not ASCII', () => {
  assert.deepEqual(parseAuthorization(basic('ada:pass:wörd')), {
    kind: 'password',
    login: 'ada',
    secret: 'pass:wörd',
  });
});

test('every login without a colon and every secret survive Basic', () => {
  const login = fc.string({ minLength: 1 }).filter((text) => !text.includes(':'));
  const secret = fc.string({ minLength: 1 }).filter((text) => text !== 'x-oauth-basic');
  fc.assert(
    fc.property(login, secret, (login, secret) => {
      assert.deepEqual(parseAuthorization(basic(`${login}:${secret}`)), { kind: 'password', login, secret });
    }),
    fuzzRuns(200),
  );
});

test('a token may be given as user name or as bearer', () => {
  const token = { kind: 'token', token: 'pht_abc' };
  assert.deepEqual(parseAuthorization(basic('pht_abc:')), token);
  assert.deepEqual(parseAuthorization(basic('pht_abc:x-oauth-basic')), token);
  assert.deepEqual(parseAuthorization('Bearer pht_abc'), token);
  assert.deepEqual(parseAuthorization('bearer  pht_abc '), token);
});

test('what is not understood is never taken for anonymous', () => {
  for (const header of [
    '',
    'Basic',
    'Basic !',
    basic('no colon'),
    basic(':'),
    'Digest a=b',
    'Negotiate YII=',
  ]) {
    assert.deepEqual(parseAuthorization(header), { kind: 'malformed' }, header);
  }
  fc.assert(
    fc.property(fc.string(), (header) => {
      assert.notEqual(parseAuthorization(header).kind, 'none');
    }),
    fuzzRuns(200),
  );
});

test('without accounts the header says nothing', async () => {
  assert.deepEqual(await authenticate(undefined, 'Digest a=b', '::1'), { kind: 'anonymous' });
});

test('a header of an unknown scheme is refused', async () => {
  const nobody = () => Promise.reject(new TypeError('not asked'));
  const authenticator = { byPassword: nobody, byToken: nobody, byKey: nobody, bySession: nobody };
  await assert.rejects(authenticate(authenticator, 'Digest a=b', '::1'), (thrown) =>
    hasCode(thrown, 'unauthenticated'),
  );
  assert.deepEqual(await authenticate(authenticator, undefined, '::1'), { kind: 'anonymous' });
});
