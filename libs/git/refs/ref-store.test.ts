import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, type Oid, systemClock, zeroOid } from '#base';
import { pusher } from '#test/disk-repository';
import { git } from '#test/git';
import {
  atomicPush,
  create,
  push,
  reasons,
  refFixture,
  remove,
  sameAsGit,
  theirs,
  update,
} from '#test/ref-fixture';
import '#test/temporary-in-memory';
import { systemDisk } from '../volume/disk.ts';

const zero = zeroOid('sha1');

for (const mode of ['owned', 'shared'] as const) {
  test(`a ${mode} store reads packed, loose, symbolic, tag and broken refs as git does`, async () => {
    const { bare, oids, store } = await refFixture();
    await git(['update-ref', 'refs/heads/main', oids[0]], { cwd: bare });
    await git(['update-ref', 'refs/heads/packed/only', oids[0]], { cwd: bare });
    await git(
      ['-c', 'user.name=T', '-c', 'user.email=t@example.org', 'tag', '-a', '-m', 'x', 'v1', oids[0]],
      { cwd: bare },
    );
    await git(
      ['-c', 'user.name=T', '-c', 'user.email=t@example.org', 'tag', '-a', '-m', 'x', 'nested', 'v1'],
      { cwd: bare },
    );
    await git(['pack-refs', '--all'], { cwd: bare });
    await git(['update-ref', 'refs/heads/main', oids[1]], { cwd: bare });
    await git(
      ['-c', 'user.name=T', '-c', 'user.email=t@example.org', 'tag', '-a', '-m', 'x', 'v2', oids[1]],
      { cwd: bare },
    );
    await git(['update-ref', 'refs/heads/ünï', oids[2]], { cwd: bare });
    await git(['update-ref', 'refs/pull/1/head', 'v1'], { cwd: bare });
    await git(['symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/heads/main'], { cwd: bare });
    await git(['symbolic-ref', 'refs/heads/dangling', 'refs/heads/nowhere'], { cwd: bare });
    writeFileSync(join(bare, 'refs/heads/broken'), 'not an id\n');
    writeFileSync(join(bare, 'refs/heads/left.lock'), '');
    mkdirSync(join(bare, 'refs/heads/empty'));
    await sameAsGit(store(mode), bare);
  });

  test(`creating, updating and deleting in a ${mode} store is what git sees, in each mix of packed and loose`, async () => {
    const { bare, oids, store } = await refFixture();
    const [one, two, three] = oids;
    for (const name of ['packed', 'both', 'gone-packed', 'gone-both'])
      await git(['update-ref', `refs/heads/${name}`, one], { cwd: bare });
    await git(['pack-refs', '--all'], { cwd: bare });
    for (const name of ['both', 'gone-both', 'gone-loose/deep'])
      await git(['update-ref', `refs/heads/${name}`, two], { cwd: bare });
    const refs = store(mode);
    const commands = [
      create('refs/heads/main', three),
      create('refs/tags/deep/er/tag', three),
      update('refs/heads/packed', one, three),
      update('refs/heads/both', two, three),
      remove('refs/heads/gone-packed', one),
      remove('refs/heads/gone-both', two),
      remove('refs/heads/gone-loose/deep', two),
    ];
    const before = (await refs.snapshot()).generation;
    assert.deepEqual(
      reasons(await refs.transact(commands, push)),
      commands.map(() => 'ok'),
    );
    await sameAsGit(refs, bare);
    await sameAsGit(store(mode), bare);
    assert.ok((await refs.snapshot()).generation > before);
    assert.ok(
      !existsSync(join(bare, 'refs/heads/gone-loose')) &&
        !existsSync(join(bare, 'logs/refs/heads/gone-loose')),
    );
    assert.deepEqual(
      readdirSync(bare, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.lock')),
      [],
    );
  });

  test(`a ${mode} store refuses what does not start from the present value, and does the rest`, async () => {
    const { bare, oids, store } = await refFixture();
    const [one, two, three] = oids;
    await git(['update-ref', 'refs/heads/main', two], { cwd: bare });
    await git(['update-ref', 'refs/heads/dir/leaf', two], { cwd: bare });
    const refs = store(mode);
    const commands = [
      update('refs/heads/main', one, three),
      create('refs/heads/main2', one),
      create('refs/heads/dir', one),
      create('refs/heads/main/below', one),
      create('refs/heads/x/y', one),
      create('refs/heads/x', one),
      remove('refs/heads/none', one),
      update('refs/heads/none2', one, two),
      create('refs/heads/dir/leaf', three),
      create('refs/heads/bad..name', one),
      create('refs/../escape', one),
      remove('refs/../HEAD', one),
      create('refs/heads/main2', two),
    ];
    const before = await theirs(bare);
    assert.deepEqual(reasons(await refs.transact(commands, push)), [
      'incorrect old value provided',
      'ok',
      "'refs/heads/dir/leaf' exists; cannot create 'refs/heads/dir'",
      "'refs/heads/main' exists; cannot create 'refs/heads/main/below'",
      'ok',
      "cannot process 'refs/heads/x/y' and 'refs/heads/x' at the same time",
      'reference does not exist',
      'reference does not exist',
      'reference already exists',
      'invalid ref name',
      'invalid ref name',
      'invalid ref name',
      'ref updated more than once',
    ]);
    await sameAsGit(refs, bare);
    const refused = await refs.transact(
      [create('refs/heads/fine', one), update('refs/heads/main', one, three)],
      atomicPush,
    );
    assert.deepEqual(reasons(refused), ['atomic transaction failed', 'incorrect old value provided']);
    const added = [`${one} refs/heads/main2  `, `${one} refs/heads/x/y  `];
    assert.deepEqual((await theirs(bare)).split('\n').sort(), [...before.split('\n'), ...added].sort());
    await sameAsGit(refs, bare);
  });

  // A shared store locks each ref by a file of its own, which takes its time.
  const many = mode === 'owned' ? 10_000 : 2_000;
  test(`${many} refs are created, moved and deleted at once in a ${mode} store`, async () => {
    const { bare, oids, store } = await refFixture();
    const [one, two] = oids;
    const refs = store(mode);
    const names = Array.from({ length: many }, (_, index) => `refs/heads/n${index % 7}/r${index}`);
    await git(['update-ref', 'refs/heads/n0/r0', one], { cwd: bare });
    const first = await refs.transact(
      names.map((name) => create(name, one)),
      push,
    );
    assert.deepEqual(
      reasons(first).filter((reason) => reason !== 'ok'),
      ['reference already exists'],
    );
    await sameAsGit(refs, bare);
    assert.ok(!existsSync(join(bare, 'refs/heads/n1')));
    const moved = await refs.transact(
      names.map((name) => update(name, one, two)),
      atomicPush,
    );
    assert.ok(moved.every((result) => result.status === 'ok'));
    await sameAsGit(refs, bare);
    const conflict = await refs.transact(
      [...names.map((name) => update(name, two, one)), create('refs/heads/n3', one)],
      atomicPush,
    );
    assert.equal(reasons(conflict).at(-1), "'refs/heads/n3/r10' exists; cannot create 'refs/heads/n3'");
    const gone = await refs.transact(
      names.map((name) => remove(name, two)),
      push,
    );
    assert.ok(gone.every((result) => result.status === 'ok'));
    assert.equal(await theirs(bare), '');
    await sameAsGit(refs, bare);
  });
}

test('a push through a symbolic ref moves its target, and HEAD follows', async () => {
  const { bare, oids, store } = await refFixture();
  const [one, two] = oids;
  for (const mode of ['owned', 'shared'] as const) {
    const target = `refs/heads/target-${mode}`;
    const alias = `refs/heads/alias-${mode}`;
    await git(['update-ref', target, one], { cwd: bare });
    await git(['symbolic-ref', alias, target], { cwd: bare });
    await git(['symbolic-ref', 'HEAD', target], { cwd: bare });
    const refs = store(mode);
    assert.deepEqual(reasons(await refs.transact([update(alias, one, two)], push)), ['ok']);
    await sameAsGit(refs, bare);
    assert.equal((await refs.snapshot()).head.oid, two);
    assert.deepEqual(
      reasons(await refs.transact([update(alias, two, one), update(target, two, one)], push)),
      ['ok', 'ref updated more than once'],
    );
    await sameAsGit(refs, bare);
  }
});

test('reflogs say who moved what, for HEAD too, and go with their ref', async () => {
  const { bare, oids, store } = await refFixture();
  const [one, two] = oids;
  const clock = { ...systemClock, nowMs: () => 1_700_000_000_000 };
  const by = { name: 'Ann <evil>\nline', email: 'ann@example.org' };
  const refs = store('owned', { clock });
  await refs.transact([create('refs/heads/main', one), create('refs/tags/t', one)], { ...push, by });
  await refs.transact([update('refs/heads/main', one, two)], { ...push, by });
  const line = (from: Oid, to: Oid): string =>
    `${from} ${to} Ann evilline <ann@example.org> 1700000000 +0000\tpush\n`;
  const log = (name: string): string => readFileSync(join(bare, 'logs', name), 'utf8');
  assert.equal(log('refs/heads/main'), line(zero, one) + line(one, two));
  assert.equal(log('HEAD'), line(zero, one) + line(one, two));
  assert.equal(log('refs/tags/t'), line(zero, one));
  assert.equal(await git(['rev-parse', 'main@{1}'], { cwd: bare }), one);
  await refs.transact([remove('refs/heads/main', two)], push);
  assert.ok(!existsSync(join(bare, 'logs/refs/heads/main')));
});

test('the reflog policy of the repository decides what is recorded', async () => {
  const { bare, oids, store } = await refFixture();
  const [one, two] = oids;
  const existing = store('shared', { reflogPolicy: () => Promise.resolve('existing') });
  await existing.transact([create('refs/heads/main', one)], push);
  assert.ok(!existsSync(join(bare, 'logs')));
  mkdirSync(join(bare, 'logs/refs/heads'), { recursive: true });
  writeFileSync(join(bare, 'logs/refs/heads/main'), '');
  await existing.transact([update('refs/heads/main', one, two)], push);
  assert.match(readFileSync(join(bare, 'logs/refs/heads/main'), 'utf8'), new RegExp(`^${one} ${two} `));
  await store('shared', { reflogPolicy: () => Promise.resolve('branches') }).transact(
    [create('refs/heads/b', one), create('refs/tags/t', one)],
    push,
  );
  assert.ok(existsSync(join(bare, 'logs/refs/heads/b')) && !existsSync(join(bare, 'logs/refs/tags')));
});

test('HEAD can name another branch, born or not, but nothing else', async () => {
  const { bare, oids, store } = await refFixture();
  for (const mode of ['owned', 'shared'] as const) {
    const refs = store(mode);
    await refs.transact([create(`refs/heads/${mode}`, oids[0])], push);
    await refs.setHead(`refs/heads/${mode}`, pusher);
    await sameAsGit(refs, bare);
    assert.equal((await refs.snapshot()).head.oid, oids[0]);
    await refs.setHead('refs/heads/unborn', pusher);
    await sameAsGit(refs, bare);
    for (const bad of ['refs/tags/t', 'main', 'refs/heads/../x', 'refs/heads/', 'HEAD']) {
      await assert.rejects(refs.setHead(bad, pusher), (error) => hasCode(error, 'invalid_argument'), bad);
    }
  }
});

test('an owned store that somebody writes to all the same finds out, loses nothing and goes on', async () => {
  const { bare, oids, store } = await refFixture();
  const [one, two, three] = oids;
  const refs = store('owned');
  await refs.transact([create('refs/heads/main', one)], push);
  await git(['update-ref', 'refs/heads/main', two], { cwd: bare });
  const stale = update('refs/heads/main', one, three);
  assert.deepEqual(reasons(await refs.transact([stale], push)), ['incorrect old value provided']);
  await sameAsGit(refs, bare);
  await git(['update-ref', 'refs/heads/main', one], { cwd: bare });
  assert.equal(await refs.refusal([stale], false), undefined);
  assert.deepEqual(reasons(await refs.transact([stale], push)), ['ok']);
  await sameAsGit(refs, bare);
  assert.deepEqual(reasons((await refs.refusal([stale], false)) ?? []), ['incorrect old value provided']);
});

test('the reflogs of thousands of new refs are written after the push, once each, even after a crash', async () => {
  const { bare, oids, store } = await refFixture();
  const [one, two] = oids;
  const names = Array.from({ length: 100 }, (_, index) => `refs/heads/many/${index}`);
  const backlog = join(bare, 'reflog-backlog');
  const kept: Buffer[] = [];
  // The disk fails where the first logs are written: as if the server had died there.
  let appends = 0;
  const dying = {
    ...systemDisk,
    append: (path: string) => {
      if (path.includes('/logs/') && (appends += 1) > 10) return Promise.reject(new Error('died'));
      return systemDisk.append(path);
    },
  };
  const before = store('owned', { disk: dying });
  const results = await before.transact(
    names.map((name) => create(name, one)),
    push,
  );
  assert.ok(results.every(({ status }) => status === 'ok'));
  await before.settleReflogs();
  kept.push(readFileSync(backlog));
  assert.ok(
    existsSync(join(bare, 'logs', names[0] ?? '')) && !existsSync(join(bare, 'logs', names[99] ?? '')),
  );
  // What was cut off in the middle of a line never was a push.
  writeFileSync(backlog, Buffer.concat([...kept, Buffer.from(`refs/heads/torn\0${one}`)]));
  const after = store('owned');
  await after.settleReflogs();
  assert.ok(!existsSync(backlog));
  for (const name of names) {
    const lines = (await git(['reflog', 'show', '--format=%H', name], { cwd: bare })).split('\n');
    assert.deepEqual(lines, [one], name);
  }
  // What changes refs next comes after the logs.
  const more = names.map((name) => update(name, one, two));
  const [, last] = await Promise.all([
    after.transact(more, push),
    after.transact([update(names[5] ?? '', two, one)], push),
  ]);
  assert.deepEqual(reasons(last), ['ok']);
  const log = await git(['reflog', 'show', '--format=%H', names[5] ?? ''], { cwd: bare });
  assert.deepEqual(log.split('\n'), [one, two, one]);
  await git(['fsck', '--no-dangling'], { cwd: bare });
});
