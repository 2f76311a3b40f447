import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock, zeroOid } from '#base';
import { newBareRepository, pusher } from '#test/disk-repository';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { testPools } from '#test/pools';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';
import type { LocalAgent } from '../agent.ts';

const never = new AbortController().signal;

async function push(agent: LocalAgent, work: string, tip: string): Promise<void> {
  const receiver = await agent.receivePack(pusher);
  const old = (await receiver.refs()).get('refs/heads/main')?.oid;
  const pack = await tryGit(['pack-objects', '--stdout', '--revs', '-q'], {
    cwd: work,
    input: `${[tip, ...(old === undefined ? [] : [`^${old}`])].join('\n')}\n`,
  });
  await using quarantine = await receiver.openQuarantine(never);
  await quarantine.receive(
    (async function* bytes() {
      yield pack.stdout;
    })(),
    { maxPackBytes: 1e9, clientShallows: [] },
  );
  const command = { name: 'refs/heads/main', oldOid: old ?? zeroOid('sha1'), newOid: tip };
  const [result] = await quarantine.commit([command], { atomic: false, pushOptions: [] });
  assert.equal(result?.status, 'ok');
}

const packsIn = (bare: string): string[] =>
  readdirSync(join(bare, 'objects/pack')).filter((name) => name.endsWith('.pack'));

test('readers and fetches go on while packs are replaced under them', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  await using node = testPools({ retiredPackGraceMs: 0 });
  const agent = node.agent(bare);
  const tips: string[] = [];
  for (let round = 0; round < 4; round += 1) {
    for (let count = 0; count < 3; count += 1) {
      tips.push(await commitFiles(work, { [`f${count}`]: `${round}` }, `Round ${round}.${count}`));
      await push(agent, work, tips.at(-1) ?? '');
    }
    // Everything has its handles open when the packs go.
    await Promise.all(tips.map((tip) => agent.commit(tip)));
    const before = node.pools.counts.openHandles;
    assert.ok(before > 0);
    const maintained = agent.maintain({ onProgress: () => undefined });
    const busy = Promise.all(
      Array.from({ length: 20 }, async () => {
        await nextTurn();
        for (const tip of tips) assert.equal((await agent.commit(tip)).oid, tip);
        const view = await agent.uploadPack();
        assert.equal((await view.existing(tips)).size, tips.length);
      }),
    );
    assert.equal((await maintained).repack, 'full');
    await busy;
    assert.equal(packsIn(bare).length, 1);
    for (const tip of tips) assert.equal((await agent.tree(tip, '')).length > 0, true);
  }
  const facts = await agent.facts();
  assert.deepEqual(
    [facts.maintenance.bitmap, facts.maintenance.commitsOutsideGraph, facts.maintenance.garbageFiles],
    ['pack', 0, 0],
  );
  assert.ok(facts.maintenance.commitsInGraph > tips.length);
  await fsck(bare);
});

test('maintenance starts by itself some time after a push', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const clock = new ManualClock(Date.now());
  const settings = { maintenancePacks: 1, maintenanceDelayMs: 60_000, poolIdleMs: 3_600_000 };
  await using node = testPools(settings, { clock });
  const agent = node.agent(bare);
  for (let count = 0; count < 3; count += 1)
    await push(agent, work, await commitFiles(work, { f: `${count}` }));
  assert.deepEqual([node.pools.counts.maintenance.waiting, packsIn(bare).length], [1, 3]);
  clock.advance(60_000);
  await waitUntil('maintenance has run', () => node.pools.counts.maintenance.succeeded === 1);
  const { maintenance } = await agent.facts();
  assert.deepEqual([maintenance.bitmap, maintenance.garbageFiles], ['pack', 3]);
  // What was replaced goes later.
  clock.advance(3_600_000);
  await waitUntil('the replaced packs are gone', () => packsIn(bare).length === 1);
  await fsck(bare);
});

test('readers find everything below one index over several packs', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const clock = new ManualClock(Date.now());
  const settings = { maintenancePacks: 3, poolIdleMs: 3_600_000 };
  await using node = testPools(settings, { clock });
  const agent = node.agent(bare);
  const tips: string[] = [];
  const pushMore = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      tips.push(await commitFiles(work, { [`f${index}`]: `${tips.length}` }));
      await push(agent, work, tips.at(-1) ?? '');
    }
  };
  await pushMore(30);
  await agent.maintain({ onProgress: () => undefined });
  await pushMore(2);
  // The handle is open from before, and has not seen these.
  assert.equal((await agent.commit(tips[31] ?? '')).oid, tips[31]);
  await pushMore(3);
  clock.advance(settings.poolIdleMs / 2);
  await waitUntil(
    'the new packs are one',
    async () => (await agent.facts()).maintenance.bitmap === 'multi-pack',
  );
  for (const tip of tips) {
    assert.equal((await agent.commit(tip)).oid, tip);
    assert.ok((await agent.tree(tip, '')).length > 1);
    assert.ok((await (await agent.uploadPack()).existing([tip])).has(tip));
  }
  await git(['multi-pack-index', 'verify'], { cwd: bare });
  await fsck(bare);
});

test('a shared repository whose packs another program replaces is read on', async () => {
  const source = await newWorkTree();
  const bare = join(temporaryDirectory('shared'), 'shared.git');
  await git(['clone', '--quiet', '--bare', source, bare]);
  const clock = new ManualClock(Date.now());
  await using node = testPools({ poolIdleMs: 1e9 }, { clock });
  const agent = node.agent(bare, 'shared');
  const tips: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    tips.push(await commitFiles(source, { f: `${round}` }));
    await git(['push', '--quiet', bare, 'HEAD:main'], { cwd: source });
    await git(['repack', '-a', '-d', '-q'], { cwd: bare });
    for (const tip of tips) {
      assert.equal((await agent.commit(tip)).oid, tip);
      assert.ok((await (await agent.uploadPack()).existing([tip])).has(tip));
    }
    clock.advance(60_000);
  }
  assert.equal((await agent.facts()).packs, 1);
  await assert.rejects(agent.maintain({ onProgress: () => undefined }), { code: 'failed_precondition' });
});

test('in a shared repository a push runs git gc and update-server-info as its config asks', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const clock = new ManualClock(Date.now());
  await using node = testPools({ poolIdleMs: 1e9 }, { clock });
  const agent = node.agent(bare, 'shared');
  const info = join(bare, 'info/refs');
  for (let count = 0; count < 4; count += 1)
    await push(agent, work, await commitFiles(work, { f: `${count}` }));
  assert.equal(node.pools.counts.maintenance.waiting, 0, 'there is no need');
  assert.ok(!existsSync(info));
  await git(['config', 'gc.autoPackLimit', '2'], { cwd: bare });
  await git(['config', 'receive.autogc', 'false'], { cwd: bare });
  await git(['config', 'receive.updateServerInfo', 'true'], { cwd: bare });
  const tip = await commitFiles(work, { f: 'more' });
  await push(agent, work, tip);
  assert.equal(node.pools.counts.maintenance.waiting, 0, 'the config says no');
  assert.equal(readFileSync(info, 'utf8'), `${tip}\trefs/heads/main\n`);
  await git(['config', 'receive.autogc', 'true'], { cwd: bare });
  await push(agent, work, await commitFiles(work, { f: 'most' }));
  assert.equal(packsIn(bare).length, 6);
  clock.advance(600_000);
  await waitUntil('gc has run', () => node.pools.counts.maintenance.succeeded === 1);
  assert.equal(packsIn(bare).length, 1);
  await fsck(bare);
});

test('the config of a shared repository makes gc run no program', async () => {
  const bare = await newBareRepository();
  const work = await newWorkTree();
  const clock = new ManualClock(Date.now());
  await using node = testPools({ poolIdleMs: 1e9 }, { clock });
  const ran = join(temporaryDirectory('ran'), 'ran');
  const program = `#!/bin/sh\ntouch ${ran}\n`;
  mkdirSync(join(bare, 'hooks'), { recursive: true });
  for (const name of ['pre-auto-gc', 'reference-transaction'])
    writeFileSync(join(bare, 'hooks', name), program, { mode: 0o755 });
  await git(['config', 'gc.autoPackLimit', '1'], { cwd: bare });
  await git(['config', 'core.hooksPath', join(bare, 'hooks')], { cwd: bare });
  const agent = node.agent(bare, 'shared');
  for (let count = 0; count < 3; count += 1)
    await push(agent, work, await commitFiles(work, { f: `${count}` }));
  clock.advance(600_000);
  await waitUntil('gc has run', () => node.pools.counts.maintenance.succeeded === 1);
  assert.equal(packsIn(bare).length, 1);
  assert.ok(!existsSync(ran));
});
