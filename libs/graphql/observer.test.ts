import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fakeActor, fakeObservation } from '#test/fake-observation';
import { startGraphqlServer } from '#test/graphql-server';
import { busiestActors } from './busiest-actors.ts';

const actors = (options = ''): string => `{ node { name observer { actors${options} { path } } } }`;

interface Answer {
  readonly node: { readonly observer: { readonly actors: readonly { readonly path: string }[] } };
}

test('an administrator sees what the node is doing', async () => {
  await using server = await startGraphqlServer();
  const data = await server.data(
    `{ node { observer {
      totals { live started restarted crashed refused }
      repositories { pools openHandles cacheBytes }
      memory { rssBytes heapUsedBytes externalBytes }
      loopDelay { p99Ms maxMs }
      actors(first: 1) { path kind phase mailboxDepth handled restarts startedAt }
    } } }`,
    { token: await server.token('root', 'admin') },
  );
  assert.deepEqual(data, {
    node: {
      observer: {
        totals: { live: 4, started: 7, restarted: 3, crashed: 2, refused: 1 },
        repositories: { pools: 1, openHandles: 6, cacheBytes: 4_100_000 },
        memory: { rssBytes: 182_300_000, heapUsedBytes: 60_000_000, externalBytes: 12_000_000 },
        loopDelay: { p99Ms: 2, maxMs: 14 },
        actors: [
          {
            path: 'repositories/r1/reader',
            kind: 'reader',
            phase: 'LIVE',
            mailboxDepth: 5,
            handled: 2,
            restarts: 0,
            startedAt: '2023-11-14T22:13:20.000Z',
          },
        ],
      },
    },
  });
});

test('nobody else does, nor a token without the scope, and the node is not even asked', async () => {
  let asked = 0;
  const observe = () => {
    asked += 1;
    return fakeObservation();
  };
  await using server = await startGraphqlServer({ observe });
  for (const [token, code] of [
    [undefined, 'unauthenticated'],
    [await server.token('ada'), 'permission_denied'],
    [await server.token('root', 'account', 'repo:write'), 'permission_denied'],
  ] as const) {
    const { data, errors } = await server.ask(actors(), { ...(token !== undefined && { token }) });
    assert.deepEqual(data, { node: { name: 'node-1', observer: null } });
    assert.equal(errors?.[0]?.extensions.code, code);
  }
  assert.equal(asked, 0);
});

test('the actors come in the order asked for', async () => {
  await using server = await startGraphqlServer();
  const token = await server.token('root');
  for (const [sort, first] of [
    ['MAILBOX', 'repositories/r1/reader'],
    ['HANDLED', 'repositories/r1/writer'],
    ['RESTARTS', 'repositories/r1'],
  ]) {
    const { node } = await server.data<Answer>(actors(`(sort: ${sort})`), { token });
    assert.equal(node.observer.actors.length, 4);
    assert.equal(node.observer.actors[0]?.path, first, sort);
  }
});

test('the list of actors is bounded, and they are looked at only for it', async () => {
  let walks = 0;
  function* many() {
    walks += 1;
    for (let index = 0; index < 5_000; index += 1) yield fakeActor({ path: `a${index}` });
  }
  const observe = () => ({ ...fakeObservation(), actors: many });
  await using server = await startGraphqlServer({ observe, graphql: { maxPageItems: 40 } });
  const token = await server.token('root');
  await server.data('{ node { observer { totals { live } } } }', { token });
  for (const first of [0, -1, 41]) {
    const { errors } = await server.ask(actors(`(first: ${first})`), { token });
    assert.match(errors?.[0]?.message ?? '', /from 1 to 40/);
  }
  assert.equal(walks, 0);
  for (const [options, count] of [
    ['', 30],
    ['(first: 40)', 40],
  ] as const) {
    const { node } = await server.data<Answer>(actors(options), { token });
    assert.deepEqual(
      node.observer.actors.map(({ path }) => path),
      Array.from({ length: count }, (_, index) => `a${index}`),
    );
  }
  assert.equal(walks, 2);
});

test('the busiest are those that sorting all of them would put first', async () => {
  const small = fc.nat({ max: 3 });
  const actor = fc.record({ mailboxDepth: small, messagesHandled: small, restarts: small });
  const sort = fc.constantFrom('mailboxDepth' as const, 'messagesHandled' as const, 'restarts' as const);
  await fc.assert(
    fc.asyncProperty(fc.array(actor), sort, fc.integer({ min: 1, max: 9 }), async (parts, by, count) => {
      const all = parts.map((part, index) => fakeActor({ ...part, path: String(index) }));
      const sorted = all.toSorted((a, b) => b[by] - a[by] || b.messagesHandled - a.messagesHandled);
      assert.deepEqual(await busiestActors(all, by, count), sorted.slice(0, count));
    }),
  );
});
