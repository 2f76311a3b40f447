import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { ManualClock } from './clock.ts';
import { ConnectionServer, type ServedConnection } from './connection-server.ts';

/** Says what is asked of it, and ends only when it is closed. */
class StubbornConnection implements ServedConnection {
  readonly asked: string[] = [];
  readonly closed: Promise<void>;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  drain(): void {
    this.asked.push('drain');
  }

  abort(): void {
    this.asked.push('abort');
  }

  close(): void {
    this.asked.push('close');
    this.#socket.destroy();
  }
}

test('past a limit connections are refused, and a drain asks, aborts and closes in turn', async () => {
  const clock = new ManualClock();
  const accepted = Promise.withResolvers<StubbornConnection>();
  const refused = Promise.withResolvers<string>();
  const server = new ConnectionServer({
    clock,
    limits: { maxConnections: 9, maxConnectionsPerAddress: 1 },
    farewellMs: 1_000,
    accept: (socket, address) => {
      assert.equal(address, '127.0.0.1');
      const connection = new StubbornConnection(socket);
      accepted.resolve(connection);
      return connection;
    },
    refuse: (socket, limit) => {
      socket.destroy();
      refused.resolve(limit);
    },
    onError: (error) => assert.fail(String(error)),
  });
  const port = await server.listen('127.0.0.1', 0);
  const first = connect(port, '127.0.0.1');
  const { asked } = await accepted.promise;
  const second = connect(port, '127.0.0.1');
  assert.equal(await refused.promise, 'connections_per_address');
  await once(second.resume(), 'close');
  const drained = server.drain(5_000);
  assert.deepEqual(asked, ['drain']);
  clock.advance(4_999);
  assert.deepEqual(asked, ['drain']);
  clock.advance(1);
  assert.deepEqual(asked, ['drain', 'abort']);
  clock.advance(1_000);
  assert.deepEqual(asked, ['drain', 'abort', 'close']);
  await drained;
  await once(first.resume(), 'close');
});

test('an address that is taken already cannot be listened on', async () => {
  const options = {
    clock: new ManualClock(),
    limits: { maxConnections: 1, maxConnectionsPerAddress: 1 },
    farewellMs: 1,
    accept: (socket: Socket) => new StubbornConnection(socket),
    refuse: (socket: Socket) => void socket.destroy(),
    onError: () => undefined,
  };
  const server = new ConnectionServer(options);
  const port = await server.listen('127.0.0.1', 0);
  await assert.rejects(new ConnectionServer(options).listen('127.0.0.1', port), { code: 'EADDRINUSE' });
  await server.drain(0);
});
