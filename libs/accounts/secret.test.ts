import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { systemRandom } from '#base';
import { createSessionSecret, createToken, hashSecret, isWellFormedToken, sameBytes } from './secret.ts';

test('tokens can be recognised and copied as one word, and do not repeat', () => {
  const tokens = Array.from({ length: 200 }, () => createToken(systemRandom));
  assert.equal(new Set(tokens).size, 200);
  for (const token of tokens) {
    assert.match(token, /^pht_[0-9A-Za-z]{49}$/);
    assert.ok(isWellFormedToken(token));
  }
});

test('every value of the random bytes has room in a token', () => {
  for (const byte of [0, 255]) {
    assert.ok(isWellFormedToken(createToken({ bytes: (length) => Buffer.alloc(length, byte) })));
  }
});

test('a token with any one character changed is known to be none', () => {
  const token = createToken(systemRandom);
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
      const changed = token.slice(0, at) + character + token.slice(at + 1);
      assert.equal(isWellFormedToken(changed), changed === token);
    }),
  );
});

test('anything else is no token', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !isWellFormedToken(text)));
  assert.ok(!isWellFormedToken(`${createToken(systemRandom)}\n`));
});

test('what is stored of a secret is its SHA-256', () => {
  assert.equal(
    Buffer.from(hashSecret('abc')).toString('hex'),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

test('session secrets have 256 random bits and fit into a cookie', () => {
  assert.match(createSessionSecret(systemRandom), /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(createSessionSecret(systemRandom), createSessionSecret(systemRandom));
});

test('bytes are compared whole', () => {
  assert.ok(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  assert.ok(!sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
  assert.ok(!sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1)));
});
