import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CliSession } from '#test/cli-session';

let session: CliSession;
before(async () => {
  session = await CliSession.start();
});
after(() => session[Symbol.asyncDispose]());

test('the busiest actors are listed below what the node holds', async () => {
  const lines = (await session.text(['node', 'actors'])).split('\n');
  assert.deepEqual(lines.slice(0, 5), [
    'Actors: 4 live, 7 started, 3 restarted, 2 crashed, 1 messages refused',
    'Repositories: 1 open, 6 handles, 4.1 MB of objects cached',
    'Memory: 182.3 MB resident, 60.0 MB heap, 12.0 MB external',
    'Event loop delay: 2 ms (p99), 14 ms (longest)',
    '',
  ]);
  assert.match(lines[5] ?? '', /^ACTOR +KIND +PHASE +MAILBOX +HANDLED +RESTARTS +STARTED$/);
  assert.match(lines[6] ?? '', /^repositories\/r1\/reader +reader +live +5 +2 +0 +2023-11-14 22:13$/);
  assert.equal(lines.length, 11);
});

test('the order can be chosen', async () => {
  for (const [sort, path] of [
    ['handled', 'repositories/r1/writer'],
    ['restarts', 'repositories/r1'],
  ] as const) {
    const { actors } = await session.json<{ actors: { path: string; phase: string }[] }>([
      'node',
      'actors',
      '--sort',
      sort,
    ]);
    assert.deepEqual([actors.length, actors[0]?.path, actors[0]?.phase], [4, path, 'live']);
  }
  assert.match(await session.refusal(['node', 'actors', '--sort', 'age'], 2), /mailbox, handled, restarts/);
});

test('the nodes and their volumes are listed, and a node is drained and used again', async () => {
  const [head, line] = (await session.text(['node', 'list'])).split('\n');
  assert.match(head ?? '', /^NODE +REGION +STATE +LOAD +VOLUMES +FREE +ADDRESS +VERSION$/);
  assert.match(line ?? '', /^node-1 \* +local +live +0% +1 +500\.0 MB +- +0\.0\.0$/);
  const drain = ['node', 'drain', 'node-1'];
  assert.equal(await session.text(drain), 'Nothing new is put on node-1 from now on.\n');
  assert.match(
    await session.text(['volume', 'list']),
    /^VOLUME .*\ndisk +node-1 +local +draining +500\.0 MB +2\.0 GB\n$/,
  );
  assert.deepEqual(await session.json([...drain, '--end']), { name: 'node-1', isDraining: false });
  const [node] = await session.json<{ isDraining: boolean; volumes: { id: string }[] }[]>(['node', 'list']);
  assert.deepEqual([node?.isDraining, node?.volumes[0]?.id], [false, 'disk']);
  const [volume] = await session.json<{ node: string; isAlive: boolean }[]>(['volume', 'list']);
  assert.deepEqual([volume?.node, volume?.isAlive], ['node-1', true]);
  assert.match(await session.refusal(['node', 'drain', 'other'], 1), /no running node of that name/);
  const env = { PACKHORSE_TOKEN: await session.server.token('ada') };
  for (const command of [['node', 'list'], drain, ['volume', 'list']]) {
    assert.match(await session.refusal(command, 1, { env }), /Only an administrator/);
  }
});

test('only administrators may look', async () => {
  const env = { PACKHORSE_TOKEN: await session.server.token('ada') };
  assert.match(await session.refusal(['node', 'actors'], 1, { env }), /Only an administrator/);
});
