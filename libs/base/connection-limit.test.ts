import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionLimit } from './connection-limit.ts';

test('connections are limited in all and by address, and a place is given back', () => {
  const limit = new ConnectionLimit({ maxConnections: 3, maxConnectionsPerAddress: 2 });
  const leave = limit.enter('a');
  limit.enter('a');
  assert.equal(limit.objection('a'), 'connections_per_address');
  assert.equal(limit.objection('b'), undefined);
  limit.enter('b');
  assert.equal(limit.objection('c'), 'connections');
  leave();
  leave();
  assert.equal(limit.objection('a'), undefined);
  assert.equal(limit.open, 2);
});
