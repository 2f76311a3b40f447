import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { collect, hasCode, PackhorseError, readSettings, silentLog } from '#base';
import { waitUntil } from '#test/wait';
import { RpcClient } from './client.ts';
import type { ClusterCredentials } from './credentials.ts';
import { type CallContext, type Handlers, RpcServer } from './server.ts';

const settings = readSettings({}).cluster;
const secret = 'a secret of the cluster';

interface Pair extends AsyncDisposable {
  readonly client: RpcClient;
  readonly server: RpcServer;
  readonly port: number;
}

async function pair(
  credentials: { readonly server: ClusterCredentials; readonly client: ClusterCredentials } = {
    server: { secret },
    client: { secret },
  },
): Promise<Pair> {
  const self = { node: 'one', instanceId: 'first' };
  const server = new RpcServer({ self, credentials: credentials.server, settings, log: silentLog });
  const port = await server.listen('127.0.0.1', 0);
  const client = new RpcClient({
    self: { node: 'two', instanceId: 'second' },
    address: `127.0.0.1:${port}`,
    credentials: credentials.client,
    settings,
  });
  return {
    client,
    server,
    port,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await server.drain(0);
    },
  };
}

describe('nodes that talk to each other', () => {
  let two: Pair;
  before(async () => {
    two = await pair();
  });
  after(() => two[Symbol.asyncDispose]());

  test('values arrive as they were', async () => {
    two.server.on('call', 'echo', (argument) => Promise.resolve(argument));
    const value = {
      text: 'ü',
      number: 1.5,
      bytes: Buffer.from([0, 255]),
      map: new Map([['a', { b: undefined }]]),
      set: new Set(['x']),
      date: new Date(1234),
      nothing: null,
      list: [1, [2]],
    };
    assert.deepEqual(await two.client.call('echo', value), value);
  });

  test('what a handler throws is thrown by the caller, with code, words and metadata', async () => {
    two.server.on('call', 'fails', () =>
      Promise.reject(
        new PackhorseError('resource_exhausted', 'Too big by far: ü.', { metadata: { maxBytes: 7 } }),
      ),
    );
    two.server.on('call', 'breaks', () => Promise.reject(new TypeError('the secret of a stack')));
    await assert.rejects(two.client.call('fails', {}), {
      code: 'resource_exhausted',
      message: 'Too big by far: ü.',
      metadata: { maxBytes: 7 },
    });
    await assert.rejects(two.client.call('breaks', {}), (thrown) => {
      assert.ok(hasCode(thrown, 'internal'));
      assert.doesNotMatch(`${thrown.message}${String(thrown.cause)}`, /secret/);
      return true;
    });
    await assert.rejects(two.client.call('of a later release', {}), { code: 'failed_precondition' });
  });

  test('the values of a stream come in order, then its error', async () => {
    two.server.on('stream', 'count', async function* count() {
      for (let number = 0; number < 100; number += 1) yield number;
      throw new PackhorseError('data_loss', 'There is no more.');
    });
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const value of two.client.stream('count', undefined)) seen.push(value);
    })();
    await assert.rejects(reading, { code: 'data_loss' });
    assert.deepEqual(seen, [...Array(100).keys()]);
  });

  test('leaving a stream stops its producer', async () => {
    let signal: AbortSignal | undefined;
    two.server.on('stream', 'endless', async function* endless(_argument, context) {
      ({ signal } = context);
      for (;;) yield Buffer.alloc(100_000);
    } satisfies Handlers['stream']);
    for await (const value of two.client.stream('endless', undefined)) {
      assert.ok(value instanceof Uint8Array);
      break;
    }
    await waitUntil('the producer is told', () => signal?.aborted === true);
  });

  test('bytes go both ways, no faster than they are read', async () => {
    let taken = 0;
    const release = Promise.withResolvers<void>();
    two.server.on('dialogue', 'slow', async (argument, { input, output }) => {
      await output.write(Buffer.from(String(argument)));
      await release.promise;
      for await (const chunk of input) taken += chunk.length;
      await output.write(Buffer.from(`took ${taken}`));
    });
    const { input, output, end } = await two.client.dialogue('slow', 'begin ');
    const total = 64;
    let written = 0;
    const writing = (async () => {
      for (; written < total; written += 1) await output.write(Buffer.alloc(1024 * 1024, written));
      end();
    })();
    await waitUntil('the window is full', () => written > 1);
    assert.ok(written < total / 2, `${written} MiB were taken from us while nobody read`);
    release.resolve();
    assert.equal((await collect(input, 1000)).toString(), `begin took ${total * 1024 * 1024}`);
    await writing;
  });

  test('bytes of any kind, even none, are messages of their own', async () => {
    two.server.on('dialogue', 'marks', async (_argument, { output }) => {
      await output.send(new Uint8Array([1, 2]));
      await output.send(new Uint8Array(0));
      await output.send(Buffer.from([3]));
    });
    const { input } = await two.client.dialogue('marks', undefined);
    const seen: number[][] = [];
    for await (const message of input) seen.push([...message]);
    assert.deepEqual(seen, [[1, 2], [], [3]]);
  });

  test('an exchange carries values both ways', async () => {
    two.server.on('exchange', 'sums', async (argument, { messages, send }) => {
      let sum = Number(argument);
      for await (const value of messages) {
        sum += Number(value);
        await send({ sum });
      }
    });
    const { messages, send, end } = await two.client.exchange('sums', 10);
    const answers = messages[Symbol.asyncIterator]();
    await send(1);
    assert.deepEqual((await answers.next()).value, { sum: 11 });
    await send(2);
    assert.deepEqual((await answers.next()).value, { sum: 13 });
    end();
    assert.equal((await answers.next()).done, true);
  });

  test('a caller that goes away, or whose time is up, is noticed there', async () => {
    const contexts: CallContext[] = [];
    two.server.on('call', 'waits', async (_argument, context) => {
      contexts.push(context);
      const { promise, reject } = Promise.withResolvers<never>();
      context.signal.addEventListener('abort', () => reject(context.signal.reason));
      return await promise;
    });
    const stop = new AbortController();
    const cancelled = two.client.call('waits', {}, { signal: stop.signal });
    await waitUntil('it is called', () => contexts.length === 1);
    stop.abort();
    await assert.rejects(cancelled, { code: 'cancelled' });
    await assert.rejects(two.client.call('waits', {}, { timeoutMs: 50 }), { code: 'deadline_exceeded' });
    await waitUntil('both are told', () => contexts.filter(({ signal }) => signal.aborted).length === 2);
    assert.deepEqual(contexts[0]?.caller, { node: 'two', instanceId: 'second' });
  });
});

test('a node with another secret is refused by both sides', async () => {
  await using strangers = await pair({ server: { secret }, client: { secret: 'guessed' } });
  strangers.server.on('call', 'echo', (argument) => Promise.resolve(argument));
  await assert.rejects(strangers.client.call('echo', 1), { code: 'failed_precondition', message: /secret/ });
});

test('a node that was started again is introduced to again', async () => {
  const first = await pair();
  first.server.on('call', 'who', () => Promise.resolve('first'));
  assert.equal(await first.client.call('who', {}), 'first');
  await first.server.drain(0);
  const self = { node: 'one', instanceId: 'another start' };
  const second = new RpcServer({ self, credentials: { secret }, settings, log: silentLog });
  second.on('call', 'who', () => Promise.resolve('second'));
  await second.listen('127.0.0.1', first.port);
  const answered = async (): Promise<unknown> => {
    try {
      return await first.client.call('who', {});
    } catch (thrown) {
      assert.ok(hasCode(thrown, 'unavailable'), String(thrown));
      return undefined;
    }
  };
  await waitUntil('the new one answers', async () => (await answered()) === 'second');
  first.client.close();
  await second.drain(0);
});

test('a node that is not there is unavailable', async () => {
  const gone = await pair();
  await gone.server.drain(0);
  await assert.rejects(gone.client.call('echo', 1), { code: 'unavailable' });
  await assert.rejects(gone.client.dialogue('echo', 1), { code: 'unavailable' });
  gone.client.close();
});
