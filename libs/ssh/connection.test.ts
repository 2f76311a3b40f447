import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import ssh2, { type ClientChannel } from 'ssh2';
import { hasCode } from '#base';
import { text } from '#test/fake-git-gateway';
import { newSshKey } from '#test/ssh';
import { SshDoor } from '#test/ssh-door';
import { waitUntil } from '#test/wait';

const push = "git-receive-pack '/ada/engine.git'";

/** A client that a test can make misbehave. */
class OddClient implements Disposable {
  readonly client = new ssh2.Client();
  readonly closed: Promise<void>;

  private constructor() {
    this.client.on('error', () => undefined);
    // A connection that is reset is closed like any other here.
    this.closed = new Promise((resolve) => this.client.once('close', () => resolve()));
  }

  static async login(door: SshDoor): Promise<OddClient> {
    const odd = new OddClient();
    const privateKey = readFileSync(door.key.privateKeyPath);
    odd.client.connect({ host: '127.0.0.1', port: door.port, username: 'git', privateKey });
    const isReady = await Promise.race([
      once(odd.client, 'ready').then(() => true),
      odd.closed.then(() => false),
    ]);
    if (!isReady) throw new Error('The connection was closed before the login.');
    return odd;
  }

  exec(command: string): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      this.client.exec(command, (error, channel) => (error === undefined ? resolve(channel) : reject(error)));
    });
  }

  [Symbol.dispose](): void {
    this.client.destroy();
  }
}

/** What becomes of a conversation's input. */
function watchInput(door: SshDoor): Promise<string> {
  const outcome = Promise.withResolvers<string>();
  // Whoever does not look at the outcome must not fail for it.
  outcome.promise.catch(() => undefined);
  door.git.serve = async ({ input }) => {
    const whole = text(input);
    whole.then(outcome.resolve, outcome.reject);
    await whole;
  };
  return outcome.promise;
}

const runs = (door: SshDoor, conversations = 1): Promise<void> =>
  waitUntil('the conversation runs', () => door.git.conversations.length >= conversations);
const isOver = (door: SshDoor): Promise<void> =>
  waitUntil('the session is over', () => door.git.openSessions === 0);

test('a client that is cut off in the middle of a push has not finished it', async () => {
  await using door = await SshDoor.open();
  const outcome = watchInput(door);
  const odd = await OddClient.login(door);
  const channel = await odd.exec(push);
  channel.write('half a pa');
  await runs(door, 2);
  odd.client.destroy();
  await assert.rejects(outcome, (thrown) => hasCode(thrown, 'cancelled'));
  await isOver(door);
  assert.equal((await door.ssh([])).code, 1);
});

test('a channel that is closed in the middle of a push aborts only its own conversation', async () => {
  await using door = await SshDoor.open();
  const outcome = watchInput(door);
  using odd = await OddClient.login(door);
  const first = await odd.exec(push);
  first.write('half a pa');
  await runs(door, 2);
  const second = await odd.exec(push);
  await runs(door, 4);
  first.close();
  await assert.rejects(outcome, (thrown) => hasCode(thrown, 'cancelled'));
  assert.equal(door.git.openSessions, 1);
  const status = once(second, 'exit');
  second.end('whole');
  assert.deepEqual((await status)[0], 0);
});

test('a client that finishes sending is told the exit status', async () => {
  await using door = await SshDoor.open();
  using odd = await OddClient.login(door);
  const channel = await odd.exec(push);
  const status = once(channel, 'exit');
  channel.end('pack');
  assert.equal((await text(channel)).replace(/^refs of version 0/, ''), 'echo:pack');
  assert.deepEqual((await status)[0], 0);
});

test('a client that does not read stops the producer', async () => {
  await using door = await SshDoor.open();
  let writtenBytes = 0;
  const block = Buffer.alloc(64 * 1024);
  door.git.serve = async ({ output }) => {
    for (;;) {
      await output.write(block);
      writtenBytes += block.length;
    }
  };
  using odd = await OddClient.login(door);
  (await odd.exec(push)).pause();
  assert.ok((await restingAt(() => writtenBytes)) < 16 * 1024 * 1024);
});

test('a client with an endless window that does not read its socket stops the producer, too', async () => {
  await using door = await SshDoor.open();
  let writtenBytes = 0;
  const block = Buffer.alloc(64 * 1024);
  door.git.serve = async ({ output }) => {
    for (;;) {
      await output.write(block);
      writtenBytes += block.length;
    }
  };
  using odd = await OddClient.login(door);
  internals(odd).openWith({ windowBytes: 2 ** 31, packetBytes: 32_768 });
  await odd.exec(push);
  internals(odd).socket.pause();
  assert.ok((await restingAt(() => writtenBytes)) < 32 * 1024 * 1024);
});

test('a client that starts a key exchange and never ends it stops the producer, too', async () => {
  await using door = await SshDoor.open();
  let writtenBytes = 0;
  const block = Buffer.alloc(64 * 1024);
  const go = Promise.withResolvers<void>();
  door.git.serve = async ({ output }) => {
    await go.promise;
    for (;;) {
      await output.write(block);
      writtenBytes += block.length;
    }
  };
  using odd = await OddClient.login(door);
  internals(odd).openWith({ windowBytes: 2 ** 31, packetBytes: 32_768 });
  await odd.exec(push);
  await runs(door, 2);
  const { socket, startKeyExchange } = internals(odd);
  socket.pause();
  startKeyExchange();
  // The server has the start of the exchange once it answers on a socket that nobody reads.
  await new Promise((resolve) => setTimeout(resolve, 200));
  go.resolve();
  const producedBytes = await restingAt(() => writtenBytes);
  assert.ok(producedBytes < 8 * 1024 * 1024, `${producedBytes} bytes`);
});

/** The value at which a count stays. */
async function restingAt(count: () => number): Promise<number> {
  let before = -1;
  await waitUntil('it rests', async () => {
    const isResting = count() > 0 && count() === before;
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return isResting;
  });
  return before;
}

test('a producer that does not read stops the client', async () => {
  await using door = await SshDoor.open();
  door.git.serve = ({ signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  using odd = await OddClient.login(door);
  const channel = await odd.exec(push);
  let sentBytes = 0;
  const block = Buffer.alloc(64 * 1024);
  const fill = (): void => {
    channel.write(block, () => {
      sentBytes += block.length;
      fill();
    });
  };
  fill();
  const stoppedAt = await restingAt(() => sentBytes);
  assert.ok(stoppedAt < 8 * 1024 * 1024, `${stoppedAt} bytes`);
});

test('a client that sends past its window is cut off', async () => {
  await using door = await SshDoor.open();
  door.git.serve = ({ signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  using odd = await OddClient.login(door);
  const channel = await odd.exec(push);
  // A length that does not divide the window: at exactly 0 the library would drop what comes.
  const block = Buffer.alloc(32 * 1024 - 1);
  const { id } = channel.outgoing as { readonly id: number };
  const { sendData } = internals(odd);
  const flood = setInterval(() => sendData(id, block), 1);
  // On a connection that is over, the client's library refuses to send.
  odd.client.once('end', () => clearInterval(flood));
  odd.client.once('error', () => clearInterval(flood));
  await odd.closed;
  clearInterval(flood);
  await isOver(door);
});

test('a client whose packets are absurdly small is cut off instead of holding up everybody', async () => {
  await using door = await SshDoor.open();
  for (const packetBytes of [0, 1]) {
    using odd = await OddClient.login(door);
    internals(odd).openWith({ windowBytes: 2 ** 20, packetBytes });
    odd.exec(push).catch(() => undefined);
    await odd.closed;
  }
  assert.equal(door.git.requests.length, 0);
});

interface Internals {
  readonly socket: Socket;
  readonly startKeyExchange: () => void;
  /** Whatever the window is. */
  readonly sendData: (channelId: number, data: Buffer) => void;
  readonly openWith: (sizes: { readonly windowBytes: number; readonly packetBytes: number }) => void;
}

/** Reaches below the library's interface, as a hostile client does. */
function internals(odd: OddClient): Internals {
  const { _sock: socket, _protocol: protocol } = odd.client as unknown as {
    readonly _sock: Internals['socket'];
    readonly _protocol: {
      rekey(): void;
      channelData(channelId: number, data: Buffer): void;
      session(channel: number, windowBytes: number, packetBytes: number): void;
    };
  };
  const open = protocol.session.bind(protocol);
  return {
    socket,
    startKeyExchange: () => protocol.rekey(),
    sendData: (channelId, data) => protocol.channelData(channelId, data),
    openWith: ({ windowBytes, packetBytes }) => {
      protocol.session = (channel) => open(channel, windowBytes, packetBytes);
    },
  };
}

test('channels past the limit of a connection are refused, and places are given back', async () => {
  await using door = await SshDoor.open({ maxSessionsPerConnection: 2 });
  using odd = await OddClient.login(door);
  const first = await odd.exec(push);
  await odd.exec(push);
  await assert.rejects(odd.exec(push), /Channel open failure/);
  const closed = once(first, 'close');
  first.end();
  first.resume();
  await closed;
  await waitUntil('a place is free', async () => {
    return odd.exec(push).then(
      () => true,
      () => false,
    );
  });
});

test('a client that does not log in is closed', async () => {
  await using door = await SshDoor.open({ loginTimeoutMs: 100 });
  const silent = connect(door.port, '127.0.0.1');
  await once(silent.resume(), 'close');
  const half = connect(door.port, '127.0.0.1');
  half.write('SSH-2.0-slow\r\n');
  await once(half.resume(), 'close');
});

test('garbage closes its connection and no other', async () => {
  await using door = await SshDoor.open();
  using odd = await OddClient.login(door);
  for (const bytes of [
    'GET / HTTP/1.1\r\n\r\n',
    `SSH-2.0-x\r\n${'x'.repeat(40_000)}`,
    '\0'.repeat(100_000),
  ]) {
    const socket = connect(door.port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.write(bytes);
    socket.end();
    await once(socket, 'close');
  }
  const channel = await odd.exec(push);
  channel.end('pack');
  assert.match(await text(channel), /echo:pack$/);
});

test('a client that tries too many keys is closed', async () => {
  await using door = await SshDoor.open({ maxAuthAttempts: 2 });
  const keys = await Promise.all([newSshKey(), newSshKey(), newSshKey()]);
  const identities = keys.flatMap(({ privateKeyPath }) => ['-i', privateKeyPath]);
  const { code, stderr } = await door.ssh([push], { flags: identities, key: door.key });
  assert.equal(code, 255);
  assert.match(stderr, /Received disconnect|Connection closed|disconnected/i);
  assert.equal(door.asked.length, 2);
});

test('more connections of one address than allowed are closed at once, and counted', async () => {
  await using door = await SshDoor.open({ maxConnectionsPerAddress: 1 });
  const odd = await OddClient.login(door);
  const late = connect(door.port, '127.0.0.1');
  await once(late.resume(), 'close');
  const { body } = await door.metrics.exposition();
  assert.match(body, /packhorse_limits_reached_total\{limit="ssh_connections_per_address"\} 1/);
  odd[Symbol.dispose]();
  await waitUntil('the place is free', () =>
    OddClient.login(door).then(
      (next) => {
        next[Symbol.dispose]();
        return true;
      },
      () => false,
    ),
  );
});

test('a command that stalls is given up', async () => {
  await using door = await SshDoor.open({ stallTimeoutMs: 200 });
  watchInput(door).catch(() => undefined);
  using odd = await OddClient.login(door);
  const channel = await odd.exec(push);
  const status = once(channel, 'exit');
  channel.write('and then nothing');
  const complaint = text(channel.stderr);
  channel.resume();
  assert.deepEqual((await status)[0], 128);
  assert.equal(await complaint, 'packhorse: Nothing was sent or taken for too long.\n');
  await isOver(door);
});

test('a connection that rests too long is closed', async () => {
  await using door = await SshDoor.open({ idleTimeoutMs: 100 });
  using odd = await OddClient.login(door);
  await odd.closed;
});

test('draining closes resting connections and lets a running command finish', async () => {
  await using door = await SshDoor.open();
  using resting = await OddClient.login(door);
  using busy = await OddClient.login(door);
  const channel = await busy.exec(push);
  await runs(door, 2);
  const drained = door.drain(60_000);
  await resting.closed;
  await assert.rejects(busy.exec(push), /Channel open failure/);
  channel.end('pack');
  assert.match(await text(channel), /echo:pack$/);
  await Promise.all([drained, busy.closed]);
});

test('a draining server does not hang up before the client has read the end of its answer', async () => {
  await using door = await SshDoor.open();
  using busy = await OddClient.login(door);
  const channel = await busy.exec(push);
  channel.pause();
  await runs(door, 1);
  const drained = door.drain(60_000);
  const pack = 'x'.repeat(300_000);
  channel.end(pack);
  // The command ends while its answer waits for the client.
  await waitUntil('the command has ended', () => door.git.openSessions === 0);
  assert.ok((await text(channel)).endsWith(`echo:${pack}`));
  await Promise.all([drained, busy.closed]);
});

test('draining ends what does not finish in time, and says so', async () => {
  await using door = await SshDoor.open();
  using busy = await OddClient.login(door);
  const channel = await busy.exec(push);
  const complaint = text(channel.stderr);
  channel.resume();
  await runs(door, 2);
  await door.drain(0);
  assert.equal(await complaint, 'packhorse: The server is shutting down. Please try again.\n');
  assert.equal(door.git.openSessions, 0);
});
