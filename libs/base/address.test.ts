import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainAddress } from './address.ts';

test('an IPv4 address is written the same whichever kind of socket it came in on', () => {
  assert.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(plainAddress('192.0.2.1'), '192.0.2.1');
  assert.equal(plainAddress('2001:db8::1'), '2001:db8::1');
  assert.equal(plainAddress('::ffff:c000:201'), '::ffff:c000:201');
  assert.equal(plainAddress(undefined), 'unknown');
});
