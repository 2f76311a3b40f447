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

test('only administrators may look', async () => {
  const env = { PACKHORSE_TOKEN: await session.server.token('ada') };
  assert.match(await session.refusal(['node', 'actors'], 1, { env }), /Only an administrator/);
});
