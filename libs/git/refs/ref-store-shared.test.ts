import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, systemClock } from '#base';
import { git, tryGit } from '#test/git';
import { create, push, reasons, refFixture, remove, sameAsGit, update } from '#test/ref-fixture';
import '#test/temporary-in-memory';
import { systemDisk } from '../volume/disk.ts';

test('a shared store sees every change that git makes from outside, at once', async () => {
  const { bare, oids, store } = await refFixture();
  const refs = store('shared');
  const [one, two, three] = oids;
  const changes: readonly (readonly string[])[] = [
    ['update-ref', 'refs/heads/main', one],
    ['update-ref', 'refs/heads/main', two],
    ['update-ref', 'refs/heads/deep/er/ref', two],
    ['pack-refs', '--all'],
    ['update-ref', 'refs/heads/main', three],
    ['symbolic-ref', 'HEAD', 'refs/heads/deep/er/ref'],
    ['update-ref', '-d', 'refs/heads/main'],
    ['update-ref', '-d', 'refs/heads/deep/er/ref'],
    ['update-ref', 'refs/heads/deep', one],
    ['update-ref', '--no-deref', 'HEAD', two],
    ['pack-refs', '--all'],
    ['update-ref', 'refs/heads/deep', two],
    ['pack-refs', '--all'],
  ];
  await sameAsGit(refs, bare);
  for (const change of changes) {
    await git(change, { cwd: bare });
    await sameAsGit(refs, bare);
  }
});

test('a file that is overwritten in place with the same size is read again', async () => {
  const { bare, oids, store } = await refFixture();
  const refs = store('shared');
  const path = join(bare, 'refs/heads/main');
  for (let round = 0; round < 50; round += 1) {
    const oid = oids[round % 3] ?? '';
    writeFileSync(path, `${oid}\n`);
    // Nothing from outside happens within a turn of the event loop.
    await nextTurn();
    assert.equal((await refs.snapshot()).get('refs/heads/main')?.oid, oid);
  }
});

test('who asks in the same turn shares one look at the disk, who asks later gets a look of their own', async () => {
  const { bare, oids, store } = await refFixture();
  await git(['update-ref', 'refs/heads/main', oids[0]], { cwd: bare });
  let looks = 0;
  const counting = {
    ...systemDisk,
    stampNow: (path: string) => ((looks += Number(path.endsWith('/HEAD'))), systemDisk.stampNow(path)),
  };
  // A clock that is ahead makes every time stamp look old enough to be trusted.
  const refs = store('shared', {
    disk: counting,
    clock: { ...systemClock, nowMs: () => Date.now() + 60_000 },
  });
  await refs.snapshot();
  await nextTurn();
  looks = 0;
  const together = await Promise.all([refs.snapshot(), refs.snapshot(), refs.snapshot()]);
  assert.equal(looks, 1);
  await git(['update-ref', 'refs/heads/main', oids[1]], { cwd: bare });
  const later = await refs.snapshot();
  assert.deepEqual(
    [...together, later].map((snapshot) => snapshot.get('refs/heads/main')?.oid),
    [oids[0], oids[0], oids[0], oids[1]],
  );
  assert.equal(looks, 2);
});

test('a change of our own is seen in the turn that it was made in', async () => {
  const { bare, oids, store } = await refFixture();
  const [one, two] = oids;
  await git(['update-ref', 'refs/heads/main', one], { cwd: bare });
  const refs = store('shared');
  const before = refs.snapshot();
  const changed = refs.transact([update('refs/heads/main', one, two)], push);
  assert.equal((await before).get('refs/heads/main')?.oid, one);
  await changed;
  assert.equal((await refs.snapshot()).get('refs/heads/main')?.oid, two);
});

test('what did not change is not read again', async () => {
  const { bare, oids, store } = await refFixture();
  await git(['update-ref', 'refs/heads/main', oids[0]], { cwd: bare });
  await git(['pack-refs', '--all'], { cwd: bare });
  await git(['update-ref', 'refs/heads/loose', oids[0]], { cwd: bare });
  const reads: string[] = [];
  const counting = {
    ...systemDisk,
    read: (path: string) => (reads.push(path), systemDisk.read(path)),
    list: (path: string) => (reads.push(path), systemDisk.list(path)),
  };
  // A clock that is ahead makes every time stamp look old enough to be trusted.
  const later = { ...systemClock, nowMs: () => Date.now() + 60_000 };
  const refs = store('shared', { disk: counting, clock: later });
  const first = await refs.snapshot();
  const readsOnce = reads.length;
  assert.ok(readsOnce > 0);
  assert.equal(await refs.snapshot(), first);
  assert.equal(reads.length, readsOnce);
});

test('readers that ask at the same time share a reading, which is no older than any of them', async () => {
  const { bare, oids, store } = await refFixture();
  const refs = store('shared');
  const early = refs.snapshot();
  const writing = git(['update-ref', 'refs/heads/main', oids[0]], { cwd: bare }).then(() => refs.snapshot());
  await early;
  assert.equal((await writing).get('refs/heads/main')?.oid, oids[0]);
});

test('refs whose objects are missing are not shown by a shared store, like git', async () => {
  const { bare, oids, store } = await refFixture();
  await git(['update-ref', 'refs/heads/main', oids[0]], { cwd: bare });
  writeFileSync(join(bare, 'refs/heads/lost'), `${'12'.repeat(20)}\n`);
  const { refs } = await store('shared').snapshot();
  assert.deepEqual(
    refs.map((ref) => ref.name),
    ['refs/heads/main'],
  );
});

test('git processes and a shared store that fight for the same refs never lose an update', async () => {
  const { bare, oids, store } = await refFixture();
  const [one, two, three] = oids;
  const names = Array.from({ length: 8 }, (_, index) => `refs/heads/r${index}`);
  for (const name of names) await git(['update-ref', name, one], { cwd: bare });
  await git(['pack-refs', '--all'], { cwd: bare });
  const refs = store('shared');
  const byGit = names.map(
    async (name) => (await tryGit(['update-ref', name, two, one], { cwd: bare })).code === 0,
  );
  const packing = git(['pack-refs', '--all', '--prune'], { cwd: bare }).catch(() => undefined);
  const byUs = names.map(async (name) => {
    const [result] = await refs.transact([update(name, one, three)], push);
    return result?.status === 'ok';
  });
  const [gitWon, weWon] = await Promise.all([Promise.all(byGit), Promise.all(byUs), packing]);
  for (const [index, name] of names.entries()) {
    assert.notEqual(gitWon[index], weWon[index], name);
    const expected = gitWon[index] === true ? two : three;
    assert.equal(await git(['rev-parse', name], { cwd: bare }), expected);
  }
  await sameAsGit(refs, bare);
});

test('deletions of a shared store and packing by git at the same time lose nothing', async () => {
  const { bare, oids, store } = await refFixture();
  const [one] = oids;
  const refs = store('shared');
  for (let round = 0; round < 5; round += 1) {
    await git(['update-ref', `refs/heads/gone${round}`, one], { cwd: bare });
    await git(['update-ref', `refs/heads/kept${round}`, one], { cwd: bare });
    const packing = tryGit(['pack-refs', '--all', '--prune'], { cwd: bare });
    const [result] = await refs.transact([remove(`refs/heads/gone${round}`, one)], push);
    await packing;
    assert.equal(result?.status, 'ok');
    await sameAsGit(refs, bare);
    assert.equal((await refs.snapshot()).get(`refs/heads/gone${round}`), undefined);
    assert.equal((await refs.snapshot()).get(`refs/heads/kept${round}`)?.oid, one);
  }
});

test('of many transactions racing for one ref exactly one wins', async () => {
  const { oids, store, bare } = await refFixture();
  const [one, two] = oids;
  for (const mode of ['owned', 'shared'] as const) {
    const refs = store(mode);
    const name = `refs/heads/${mode}`;
    const racing = Array.from({ length: 10 }, () => refs.transact([create(name, one)], push));
    const results = (await Promise.all(racing)).flatMap((each) => reasons(each));
    assert.equal(results.filter((reason) => reason === 'ok').length, 1);
    assert.equal(results.filter((reason) => reason === 'reference already exists').length, 9);
    assert.deepEqual(reasons(await refs.transact([update(name, two, one)], push)), [
      'incorrect old value provided',
    ]);
    await sameAsGit(refs, bare);
  }
});

test('a ref that another process has locked is left alone, with a clear reason', async () => {
  const { bare, oids, store } = await refFixture();
  const [one] = oids;
  const startMs = Date.now();
  let skippedMs = 0;
  // Waiting takes no time here, and nothing else does.
  const clock: Clock = {
    nowMs: () => startMs + skippedMs,
    monotonicMs: () => skippedMs,
    after: (delayMs, task) => {
      skippedMs += delayMs;
      setImmediate(task);
      return () => undefined;
    },
  };
  const refs = store('shared', { clock });
  mkdirSync(join(bare, 'refs/heads'), { recursive: true });
  writeFileSync(join(bare, 'refs/heads/busy.lock'), '');
  const results = await refs.transact([create('refs/heads/busy', one), create('refs/heads/free', one)], push);
  assert.deepEqual(reasons(results), ['the ref is locked by another process', 'ok']);
  assert.ok(existsSync(join(bare, 'refs/heads/busy.lock')));
  assert.ok(skippedMs >= 2_000);
});

test('of many new refs, those that another process has locked are refused, and no lock stays', async () => {
  for (const linkError of [undefined, 'EMLINK', 'EXDEV', 'EPERM']) {
    const { bare, oids, store } = await refFixture();
    let links = 0;
    const disk = {
      ...systemDisk,
      link: (from: string, to: string): Promise<void> => {
        links += 1;
        if (linkError !== undefined && links > 50)
          return Promise.reject(Object.assign(new Error(linkError), { code: linkError }));
        return systemDisk.link(from, to);
      },
    };
    mkdirSync(join(bare, 'refs/heads/many'), { recursive: true });
    writeFileSync(join(bare, 'refs/heads/many/7.lock'), '');
    const names = Array.from({ length: 200 }, (_, index) => `refs/heads/many/${index}`);
    const refs = store('shared', { disk });
    const results = await refs.transact(
      names.map((name) => create(name, oids[0])),
      push,
    );
    assert.ok(links > 150);
    const refused = results.filter(({ status }) => status === 'rejected');
    assert.deepEqual(
      refused.map(({ name }) => name),
      ['refs/heads/many/7'],
    );
    const locks = readdirSync(bare, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.lock'),
    );
    assert.deepEqual(locks, ['refs/heads/many/7.lock']);
    await sameAsGit(refs, bare);
  }
});
