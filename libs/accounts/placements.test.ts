import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { randomId } from '#base';
import { newRepository, openTestAccounts, type TestAccounts } from '#test/accounts';
import type { RepositoryChanges } from './changes.ts';
import type { UserIdentity } from './identity.ts';
import type { Placement } from './repository.ts';

let harness: TestAccounts;
let owner: UserIdentity;
let names = 0;

before(async () => {
  harness = await openTestAccounts('embedded');
  owner = await harness.signUp('owner');
});
after(() => harness[Symbol.asyncDispose]());

const placements = () => harness.accounts.placements;

async function place(
  placement: Partial<Placement> = {},
): Promise<{ readonly id: string; readonly name: string }> {
  const name = `repository-${(names += 1)}`;
  const { id } = await harness.accounts.repositories.create(owner, {
    ...newRepository('owner', name, 'public'),
    placement: { volumeId: 'a', epoch: 1, ...placement },
  });
  return { id, name };
}

test('a placement is kept whole, and a repository without replicas has those of a single node', async () => {
  const plain = await place();
  assert.deepEqual(await placements().find(plain.id), {
    volumeId: 'a',
    epoch: 1,
    replicas: [],
    region: 'local',
    durability: 1,
  });
  const whole = { volumeId: 'a', epoch: 4, replicas: ['b', 'c'], region: 'fra', durability: 2 };
  const { id, name } = await place({ ...whole, replicas: ['c', 'b'] });
  assert.deepEqual(await placements().find(id), whole);
  const record = await harness.accounts.repositories.authorise(owner, 'owner', name, 'read');
  assert.deepEqual(record.placement, whole);
  assert.deepEqual(
    [await placements().find(randomId()), await placements().find('x')],
    [undefined, undefined],
  );
});

test('of several that make another volume the primary at the same time, one succeeds', async () => {
  const { id } = await place({ replicas: ['b', 'c', 'd'], durability: 2 });
  const moved = await Promise.all(['b', 'c', 'd', 'a'].map((to) => placements().movePrimary(id, 1, to)));
  const [winner, ...others] = moved.filter((each) => each !== undefined);
  assert.ok(winner !== undefined && others.length === 0);
  assert.equal(winner.epoch, 2);
  assert.deepEqual([winner.volumeId, ...winner.replicas].sort(), ['a', 'b', 'c', 'd']);
  assert.deepEqual(await placements().find(id), winner);
  assert.equal(await placements().movePrimary(id, 1, 'b'), undefined);
  assert.equal(await placements().movePrimary(randomId(), 1, 'b'), undefined);
  assert.equal((await placements().movePrimary(id, 2, winner.volumeId))?.epoch, 3);
});

test('replicas and durability are set at the epoch that they were decided at', async () => {
  const { id } = await place({ replicas: ['b'] });
  assert.deepEqual(await placements().setReplicas(id, 1, { replicas: ['d', 'c', 'a'], durability: 2 }), {
    volumeId: 'a',
    epoch: 1,
    replicas: ['c', 'd'],
    region: 'local',
    durability: 2,
  });
  assert.equal(await placements().setReplicas(id, 2, { replicas: [] }), undefined);
  assert.deepEqual((await placements().setReplicas(id, 1, { replicas: [] }))?.replicas, []);
});

test('what is on a volume is listed in pages, primaries and replicas by themselves', async () => {
  const [volumeId, other] = [randomId(), randomId()];
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) ids.push((await place({ volumeId, replicas: [other] })).id);
  ids.sort();
  for (const [volume, role] of [
    [volumeId, 'primary'],
    [other, 'replica'],
  ] as const) {
    const found: string[] = [];
    for (;;) {
      const page = await placements().onVolume(volume, { role, limit: 2, after: found.at(-1) });
      assert.ok(page.length <= 2);
      assert.ok(
        page.every(({ placement }) => placement.volumeId === volumeId && placement.replicas[0] === other),
      );
      found.push(...page.map(({ id }) => id));
      if (page.length < 2) break;
    }
    assert.deepEqual(found, ids);
  }
  assert.deepEqual(await placements().onVolume(other, { role: 'primary', limit: 2 }), []);
});

test('what one node changes, another sees as soon as it is told', async () => {
  const listeners = new Set<(repositoryId: string | undefined) => void>();
  const told: string[] = [];
  const changes: RepositoryChanges = {
    announce(repositoryId) {
      told.push(repositoryId);
      for (const forget of listeners) forget(repositoryId);
    },
    listen: (forget) => void listeners.add(forget),
  };
  const [here, there] = [harness.another({}, changes), harness.another({}, changes)];
  const deaf = harness.another();
  const { id, name } = await place({ replicas: ['b'] });
  const seen = async (accounts: typeof here): Promise<Placement> =>
    (await accounts.repositories.authorise(owner, 'owner', name, 'read')).placement;
  for (const accounts of [here, there, deaf]) assert.equal((await seen(accounts)).volumeId, 'a');
  await here.placements.movePrimary(id, 1, 'b');
  assert.deepEqual(
    [(await seen(here)).epoch, (await seen(there)).epoch, (await seen(deaf)).epoch],
    [2, 2, 1],
  );
  await there.repositories.update(owner, id, { description: 'new' });
  assert.deepEqual(told, [id, id]);
  assert.equal((await here.repositories.authorise(owner, 'owner', name, 'read')).description, 'new');
  assert.equal((await seen(there)).epoch, 2);
  // It was cut off, and does not know what it missed.
  await deaf.placements.movePrimary(id, 2, 'a');
  assert.equal((await seen(there)).epoch, 2);
  for (const forget of listeners) forget(undefined);
  assert.equal((await seen(there)).epoch, 3);
});
