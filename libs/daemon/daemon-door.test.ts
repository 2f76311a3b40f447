import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { ManualClock, readSettings, type Settings, silentLog } from '#base';
import { createDaemonServer, type DaemonServer } from '#daemon';
import { Metrics } from '#telemetry';
import { FakeGitGateway, text } from '#test/fake-git-gateway';
import { waitUntil } from '#test/wait';
import { encodePktLine } from '#wire';

/** The git:// door over a gateway without repositories. */

let git: FakeGitGateway;
let clock: ManualClock;
let server: DaemonServer;
let port: number;
const sockets: Socket[] = [];

async function open(settings: Partial<Settings['daemon']> = {}, informativeErrors = false): Promise<void> {
  server = createDaemonServer({
    git,
    informativeErrors,
    settings: { ...readSettings().daemon, ...settings },
    log: silentLog,
    metrics: new Metrics(),
    clock,
  });
  port = await server.listen('127.0.0.1', 0);
}

function dial(): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  return socket;
}

/** What the door answers to one request and `more`, behind which the client closes its side. */
async function answer(request: string, more = ''): Promise<string> {
  const socket = dial();
  socket.write(encodePktLine(request));
  socket.end(more);
  return await text(socket);
}

beforeEach(() => {
  git = new FakeGitGateway();
  clock = new ManualClock();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.drain(0);
});

test('a request becomes a conversation, with everything the client said before', async () => {
  await open();
  const said = await answer('git-upload-pack /group/one.git\0host=h:1\0\0version=2\0', 'and more');
  assert.equal(said, 'refs of version 2echo:and more');
  const [request] = git.requests;
  assert.deepEqual(request && { ...request, identity: request.identity.kind }, {
    identity: 'anonymous',
    path: 'group/one.git',
    service: 'upload-pack',
    transport: 'git',
    remoteAddress: '127.0.0.1',
  });
  assert.equal(git.conversations[0]?.stateless, false);
  assert.equal(git.openSessions, 0);
});

test('bytes may come one at a time', async () => {
  await open();
  const socket = dial();
  for (const byte of encodePktLine('git-receive-pack /one.git\0host=h\0')) socket.write(Buffer.of(byte));
  socket.end('x');
  assert.equal(await text(socket), 'refs of version 0echo:x');
});

const refusal = 'ERR access denied or repository not exported: ';

test('what is refused is refused in one sentence for all reasons', async () => {
  await open();
  for (const path of [
    '/missing.git',
    '~ada/x.git',
    '/~ada/../x',
    'x.git',
    '/a/../../x',
    '/',
    '/hi\u001b[1m',
  ]) {
    assert.equal(
      (await answer(`git-upload-pack ${path}\0host=h\0`)).slice(4),
      refusal + path.replace('\u001b', '?'),
    );
  }
});

test('with informative errors the reason is told', async () => {
  await open({}, true);
  assert.equal(
    (await answer('git-upload-pack /missing.git')).slice(4),
    'ERR no such repository: /missing.git',
  );
});

test('a server that is busy or broken says no more than that', async () => {
  await open();
  assert.equal((await answer('git-upload-pack /busy.git')).slice(4), 'ERR The server is busy.');
  assert.equal(
    (await answer('git-upload-pack /broken.git')).slice(4),
    'ERR Something went wrong on the server.',
  );
});

test('what is not the protocol gets an answer and an end', async () => {
  await open();
  const socket = dial();
  socket.write('GET / HTTP/1.1\r\n\r\n');
  assert.match(await text(socket), /^....ERR protocol error: bad line length/);
  assert.match(await answer('git-frotz /x'), /^....ERR This is no request for a Git service\.$/);
  assert.equal(git.requests.length, 0);
});

test('a client that sends no request is sent away after a time', async () => {
  await open({ requestTimeoutMs: 1_000 });
  const socket = dial();
  socket.write('00');
  await once(socket, 'connect');
  // The server may notice the connection later than the client.
  const said = text(socket);
  const timer = setInterval(() => clock.advance(1_000), 5);
  try {
    assert.match(await said, /ERR The request did not arrive in time\./);
  } finally {
    clearInterval(timer);
  }
});

test('connections past the limit are told that the server is busy', async () => {
  await open({ maxConnectionsPerAddress: 2 });
  const started = Promise.withResolvers<void>();
  git.serve = async ({ input }) => {
    if (git.openSessions === 2) started.resolve();
    for await (const _ of input);
  };
  const held = [dial(), dial()];
  for (const socket of held) socket.write(encodePktLine('git-upload-pack /x'));
  await started.promise;
  assert.match(await text(dial()), /^....ERR The server is busy\. Please try again in a moment\.$/);
  for (const socket of held) socket.destroy();
  await waitUntil('the sessions are over', () => git.openSessions === 0);
  git.serve = async ({ output }) => output.write(Buffer.from('served'));
  await waitUntil('there is room again', async () => (await answer('git-upload-pack /x')).endsWith('served'));
});

test('a client that goes away ends its session', async () => {
  await open();
  const aborted = Promise.withResolvers<void>();
  git.serve = async ({ input, signal }) => {
    signal.addEventListener('abort', () => aborted.resolve());
    for await (const _ of input);
  };
  const socket = dial();
  socket.write(encodePktLine('git-upload-pack /x'));
  await once(socket, 'data');
  socket.resetAndDestroy();
  await aborted.promise;
  await waitUntil('the sessions are over', () => git.openSessions === 0);
});

test('a client that does not read holds up the service, not the memory', async () => {
  await open();
  let writtenBytes = 0;
  let writes = 0;
  git.serve = async ({ output }) => {
    const chunk = Buffer.alloc(1024 * 1024);
    for (; writes < 64; writes += 1) {
      await output.write(chunk);
      writtenBytes += chunk.length;
    }
  };
  const socket = dial();
  socket.pause();
  socket.write(encodePktLine('git-upload-pack /x'));
  await waitUntil('the first bytes are taken', () => writtenBytes > 0);
  // What two kernels take is far below what there is to send: the service has to wait.
  await answer('git-upload-pack /missing.git');
  assert.ok(writes < 64);
  let receivedBytes = 0;
  for await (const chunk of socket) receivedBytes += (chunk as Buffer).length;
  assert.ok(receivedBytes >= 64 * 1024 * 1024);
});

test('draining lets a request finish and sends away who has not asked yet', async () => {
  await open();
  const started = Promise.withResolvers<void>();
  git.serve = async ({ input, output }) => {
    started.resolve();
    for await (const chunk of input) await output.write(chunk);
  };
  const resting = dial();
  const working = dial();
  working.write(encodePktLine('git-upload-pack /x'));
  await Promise.all([started.promise, resting.readyState === 'open' ? undefined : once(resting, 'connect')]);
  const drained = server.drain(60_000);
  working.end('the end');
  assert.match(await text(working), /the end$/);
  assert.equal(await text(resting), '');
  await drained;
});
