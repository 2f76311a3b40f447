import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Clock, type ObjectFormat, type Settings, zeroOid } from '#base';
import type { Storage } from '#git';
import { newBareRepository, openDiskRepository, pusher, testStorage } from '#test/disk-repository';
import { commitFiles, fsck, git, newWorkTree, refsOf, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import '#test/temporary-in-memory';
import type { DiskRepository } from '../disk-repository.ts';
import { surveyObjects } from './object-survey.ts';
import type { MaintenanceReport } from './repository-maintenance.ts';

const never = new AbortController().signal;
const day = 86_400_000;

/** Time that starts now, with the files' own, and jumps. */
class JumpingClock implements Clock {
  aheadMs = 0;
  nowMs(): number {
    return Date.now() + this.aheadMs;
  }
  monotonicMs(): number {
    return performance.now() + this.aheadMs;
  }
  after(): () => void {
    return () => undefined;
  }
}

interface Scene {
  readonly bare: string;
  readonly work: string;
  readonly clock: JumpingClock;
  readonly storage: Storage;
  readonly repository: DiskRepository;
  maintain(force?: boolean): Promise<MaintenanceReport>;
}

async function newScene(
  settings: Partial<Settings['git']> = {},
  format: ObjectFormat = 'sha1',
): Promise<Scene> {
  const bare = await newBareRepository(format);
  const work = format === 'sha1' ? await newWorkTree() : join(temporaryDirectory('work'), 'work');
  if (format !== 'sha1') await git(['init', '--quiet', `--object-format=${format}`, work]);
  await git(['remote', 'add', 'origin', bare], { cwd: work });
  const clock = new JumpingClock();
  const storage = testStorage({ clock }, settings);
  const repository = await openDiskRepository(bare, 'owned', storage);
  return {
    bare,
    work,
    clock,
    storage,
    repository,
    maintain: (force = false) => repository.maintain({ signal: never, force }),
  };
}

/** Pushes into the repository as the server does, so that every push is a pack. */
async function push({ work, repository }: Scene, tip: string, ref = 'refs/heads/main'): Promise<void> {
  const receiver = await repository.receivePack(pusher);
  const old = (await receiver.refs()).get(ref)?.oid ?? zeroOid(receiver.objectFormat);
  const known = (await receiver.refs()).refs.map(({ oid }) => `^${oid}`);
  const pack = await tryGit(['pack-objects', '--stdout', '--revs', '--thin', '-q'], {
    cwd: work,
    input: `${[tip, ...known].join('\n')}\n`,
  });
  await using quarantine = await receiver.openQuarantine(never);
  await quarantine.receive(
    (async function* bytes() {
      yield pack.stdout;
    })(),
    { maxPackBytes: 1e9, clientShallows: [] },
  );
  const results = await quarantine.commit([{ name: ref, oldOid: old, newOid: tip }], {
    atomic: false,
    pushOptions: [],
  });
  assert.deepEqual(results, [{ name: ref, status: 'ok' }]);
}

async function remove({ repository }: Scene, ref: string): Promise<void> {
  const oid = (await repository.refs()).get(ref)?.oid ?? '';
  const command = { name: ref, oldOid: oid, newOid: zeroOid('sha1') };
  const [result] = await repository.updateRefs([command], { atomic: false, by: pusher, message: 'delete' });
  assert.equal(result?.status, 'ok');
}

async function pushMany(scene: Scene, count: number): Promise<string[]> {
  const tips: string[] = [];
  for (let index = 0; index < count; index += 1) {
    tips.push(
      await commitFiles(scene.work, { [`dir/file-${index % 3}.txt`]: `${index}\n` }, `Change ${index}`),
    );
    await push(scene, tips.at(-1) ?? '');
  }
  return tips;
}

const packsOf = async ({ bare, storage }: Scene) => (await surveyObjects(storage.disk, bare)).packs;

for (const format of ['sha1', 'sha256'] as const) {
  test(`forced, everything is in one pack with a bitmap, with a commit-graph and packed refs (${format})`, async () => {
    const scene = await newScene({ retiredPackGraceMs: 0 }, format);
    const tips = await pushMany(scene, 5);
    assert.equal((await packsOf(scene)).length, 5);
    const refs = await refsOf(scene.bare);
    const report = await scene.maintain(true);
    assert.equal(report.repack, 'full');
    const [only, ...more] = await packsOf(scene);
    assert.deepEqual([only?.hasBitmap, only?.isCruft, more], [true, false, []]);
    assert.equal(await refsOf(scene.bare), refs);
    assert.ok(
      !existsSync(join(scene.bare, 'refs/heads/main')) && existsSync(join(scene.bare, 'packed-refs')),
    );
    await git(['commit-graph', 'verify'], { cwd: scene.bare });
    await fsck(scene.bare);
    const view = await scene.repository.uploadPack();
    assert.equal((await view.commitNode(tips[4] ?? ''))?.generation?.level, format === 'sha1' ? 6 : 5);
    assert.equal(await view.reachable([tips[0] ?? ''], [tips[4] ?? '']), true);
    // And what comes after it works as before.
    await pushMany(scene, 2);
    await fsck(scene.bare);
  });
}

test('many pushes are combined when there is need, beside the base pack, under one bitmap', async () => {
  const scene = await newScene({ retiredPackGraceMs: 0, maintenancePacks: 4, maintenanceCommits: 6 });
  await pushMany(scene, 30);
  assert.equal((await scene.maintain()).repack, 'full', 'nothing has a bitmap yet');
  const [base] = await packsOf(scene);
  assert.deepEqual(
    await scene.maintain().then(({ repack, commitGraph }) => ({ repack, commitGraph })),
    { repack: 'none', commitGraph: false },
    'there is no need',
  );
  await pushMany(scene, 3);
  assert.equal((await scene.maintain()).repack, 'none');
  await pushMany(scene, 4);
  const report = await scene.maintain();
  assert.deepEqual([report.repack, report.commitGraph, report.packsRemoved], ['combine', true, 7]);
  const packs = await packsOf(scene);
  assert.equal(packs.length, 2);
  assert.ok(
    packs.some(({ name, hasBitmap }) => name === base?.name && hasBitmap),
    'the base pack stays',
  );
  const { hasMultiPackIndex, hasMultiPackBitmap } = await surveyObjects(scene.storage.disk, scene.bare);
  assert.deepEqual([hasMultiPackIndex, hasMultiPackBitmap], [true, true]);
  await git(['multi-pack-index', 'verify'], { cwd: scene.bare });
  await git(['rev-list', '--test-bitmap', 'HEAD'], { cwd: scene.bare });
  await fsck(scene.bare);
});

test('a pack that was replaced stays for those who use it, and a copy taken meanwhile is whole', async () => {
  const scene = await newScene();
  await pushMany(scene, 6);
  const before = (await packsOf(scene)).map(({ name }) => name);
  const report = await scene.maintain(true);
  assert.equal(report.packsRemoved, 0);
  const names = new Set((await packsOf(scene)).map(({ name }) => name));
  assert.ok(before.every((name) => names.has(name)));
  // What `cp -r` makes that listed the old packs first and came to the rest later.
  const copy = join(temporaryDirectory('copy'), 'copy.git');
  cpSync(scene.bare, copy, {
    recursive: true,
    filter: (path) => !/objects\/pack\/./.test(path) || before.some((name) => path.includes(name)),
  });
  await fsck(copy);
  scene.clock.aheadMs += scene.storage.settings.retiredPackGraceMs + 1000;
  assert.equal((await scene.maintain()).packsRemoved, before.length);
  assert.equal((await packsOf(scene)).length, 1);
  await fsck(scene.bare);
});

test('the base pack holds what branches and tags reach, and nothing else', async () => {
  const scene = await newScene({ retiredPackGraceMs: 0 });
  const [first = ''] = await pushMany(scene, 2);
  const secret = await commitFiles(scene.work, { secret: 'to be forgotten' });
  await push(scene, secret, 'refs/heads/topic');
  await remove(scene, 'refs/heads/topic');
  await git(['checkout', '--quiet', '-b', 'review', first], { cwd: scene.work });
  const review = await commitFiles(scene.work, { review: 'not for clones' });
  await push(scene, review, 'refs/changes/1');
  await scene.maintain(true);
  const packs = await packsOf(scene);
  assert.equal(packs.length, 3);
  const base = packs.find(({ hasBitmap }) => hasBitmap);
  const listed = await git(['show-index'], {
    cwd: scene.bare,
    input: readFileSync(join(scene.bare, `objects/pack/${base?.name}.idx`)),
  });
  const inBase = new Set(listed.split('\n').map((line) => line.split(' ')[1]));
  const cloned = await git(['rev-list', '--objects', '--no-object-names', '--branches', '--tags'], {
    cwd: scene.bare,
  });
  assert.deepEqual(inBase, new Set(cloned.split('\n')));
  const cruft = packs.find(({ isCruft }) => isCruft);
  assert.ok((cruft?.objects ?? 0) > 0);
  assert.equal(await git(['cat-file', '-t', secret], { cwd: scene.bare }), 'commit');
  assert.equal(await git(['cat-file', '-t', review], { cwd: scene.bare }), 'commit');
  await git(['multi-pack-index', 'verify'], { cwd: scene.bare });
  await fsck(scene.bare);
});

test('what nothing reaches is kept from the time it was found so, however old its pack is', async () => {
  const scene = await newScene({ retiredPackGraceMs: 0 });
  await pushMany(scene, 2);
  const lost = await commitFiles(scene.work, { lost: 'lost' });
  await push(scene, lost, 'refs/heads/topic');
  for (const { name } of await packsOf(scene)) {
    utimesSync(join(scene.bare, `objects/pack/${name}.pack`), 1, 1);
  }
  const exists = async (): Promise<boolean> =>
    (await tryGit(['cat-file', '-e', lost], { cwd: scene.bare })).code === 0;
  await remove(scene, 'refs/heads/topic');
  await scene.maintain(true);
  assert.ok(await exists(), 'just found unreachable');
  scene.clock.aheadMs += 13 * day;
  await scene.maintain(true);
  assert.ok(await exists(), 'within the grace period');
  scene.clock.aheadMs += 2 * day;
  await scene.maintain(true);
  assert.ok(!(await exists()), 'its time has come');
  await fsck(scene.bare);
});

test('what a push names again is kept, also when it was about to go', async () => {
  const scene = await newScene();
  const [, main = ''] = await pushMany(scene, 2);
  const again = await commitFiles(scene.work, { again: 'again' });
  await push(scene, again, 'refs/heads/topic');
  await remove(scene, 'refs/heads/topic');
  await scene.maintain(true);
  scene.clock.aheadMs += 15 * day;
  await scene.maintain(true);
  // The pack in which it is alone waits to be removed; nothing of it is sent again.
  const receiver = await scene.repository.receivePack(pusher);
  {
    await using quarantine = await receiver.openQuarantine(never);
    assert.equal((await scene.maintain()).packsRemoved, 0, 'a push is under way');
    const command = { name: 'refs/heads/again', oldOid: zeroOid('sha1'), newOid: again };
    const [result] = await quarantine.commit([command], { atomic: false, pushOptions: [] });
    assert.equal(result?.status, 'ok');
  }
  scene.clock.aheadMs += day;
  await scene.maintain();
  assert.equal(await git(['rev-parse', 'again'], { cwd: scene.bare }), again);
  await fsck(scene.bare);
  await scene.maintain(true);
  scene.clock.aheadMs += day;
  await scene.maintain(true);
  assert.equal(await git(['rev-parse', 'again^'], { cwd: scene.bare }), main);
  await fsck(scene.bare);
});

test('a push in the midst of every step goes through', async () => {
  const scene = await newScene({ retiredPackGraceMs: 0, maintenanceThreads: 1 });
  await pushMany(scene, 4);
  const pushes: Promise<unknown>[] = [];
  let count = 0;
  const results: string[] = [];
  let last = Promise.resolve();
  const pushOne = async (content: string): Promise<void> => {
    const tip = await commitFiles(scene.work, { during: content });
    await push(scene, tip);
    results.push(tip);
  };
  await scene.repository.maintain({
    signal: never,
    force: true,
    onProgress: () => {
      count += 1;
      const index = count;
      // One after the other, while maintenance goes on.
      last = last.then(() => pushOne(String(index)));
      pushes.push(last);
    },
  });
  await Promise.all(pushes);
  assert.ok(results.length > 3);
  assert.equal(await git(['rev-parse', 'main'], { cwd: scene.bare }), results.at(-1));
  await fsck(scene.bare);
  await scene.maintain(true);
  await fsck(scene.bare);
  assert.equal(await git(['rev-parse', 'main'], { cwd: scene.bare }), results.at(-1));
});

test('maintenance that is stopped at any point leaves the repository whole, and the next one tidies up', async () => {
  const scene = await newScene({ retiredPackGraceMs: 0, quarantineGraceMs: 0 });
  await pushMany(scene, 5);
  const refs = await refsOf(scene.bare);
  for (let stopAt = 1; ; stopAt += 1) {
    const stop = new AbortController();
    let seen = 0;
    const onProgress = (): void => {
      seen += 1;
      if (seen === stopAt) stop.abort();
    };
    const outcome = await scene.repository.maintain({ signal: stop.signal, force: true, onProgress }).then(
      () => 'done',
      () => 'stopped',
    );
    assert.equal(await refsOf(scene.bare), refs);
    await fsck(scene.bare);
    if (outcome === 'done') break;
    assert.ok(stopAt < 200);
    stopAt += stopAt > 8 ? 5 : 0;
  }
  await scene.maintain(true);
  assert.equal((await packsOf(scene)).length, 1);
  const left = readdirSync(join(scene.bare, 'objects')).filter((name) => name.startsWith('tmp_'));
  assert.deepEqual(left, []);
});

test('leftovers go once they are old, and nothing else', async () => {
  const scene = await newScene();
  await pushMany(scene, 2);
  const pack = join(scene.bare, 'objects/pack');
  const stray = `pack-${'ab'.repeat(20)}`;
  for (const extension of ['pack', 'rev', 'bitmap'])
    writeFileSync(join(pack, `${stray}.${extension}`), 'half');
  writeFileSync(join(pack, 'tmp_pack_abc'), 'half');
  utimesSync(join(pack, 'tmp_pack_abc'), 1, 1);
  writeFileSync(join(pack, 'notes.txt'), 'of somebody');
  await scene.maintain();
  assert.ok(existsSync(join(pack, `${stray}.pack`)), 'a push may be moving it in');
  assert.ok(!existsSync(join(pack, 'tmp_pack_abc')));
  scene.clock.aheadMs += scene.storage.settings.quarantineGraceMs + 1000;
  await scene.maintain();
  assert.deepEqual(
    readdirSync(pack).filter((name) => name.startsWith(stray)),
    [],
  );
  assert.ok(existsSync(join(pack, 'notes.txt')));
  await fsck(scene.bare);
});

test('reflogs keep what is young, what is reachable longer than what is not, and grow meanwhile', async () => {
  const scene = await newScene({ retiredPackGraceMs: 0 });
  const [first = '', second = ''] = await pushMany(scene, 2);
  await git(['checkout', '--quiet', '-B', 'main', first], { cwd: scene.work });
  const third = await commitFiles(scene.work, { other: 'way' });
  await push(scene, third);
  const log = join(scene.bare, 'logs/refs/heads/main');
  const named = (): string[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.slice(41, 81));
  assert.deepEqual(named(), [first, second, third]);
  assert.equal((await scene.maintain(true)).reflogEntriesForgotten, 0);
  scene.clock.aheadMs += 31 * day;
  // It is in the log of HEAD as well.
  assert.equal((await scene.maintain(true)).reflogEntriesForgotten, 2);
  assert.deepEqual(named(), [first, third]);
  scene.clock.aheadMs += 60 * day;
  await push(scene, await commitFiles(scene.work, { later: 'later' }));
  await scene.maintain(true);
  assert.equal(named().length, 1);
  await fsck(scene.bare);
});

test('a pack somebody wants kept is left alone', async () => {
  const scene = await newScene({ retiredPackGraceMs: 0 });
  await pushMany(scene, 3);
  const [kept] = await packsOf(scene);
  writeFileSync(join(scene.bare, `objects/pack/${kept?.name}.keep`), '');
  await scene.maintain(true);
  const names = (await packsOf(scene)).map(({ name }) => name);
  assert.equal(names.length, 2);
  assert.ok(names.includes(kept?.name ?? ''));
  await fsck(scene.bare);
});

test('an empty repository, and one that others share, are no work', async () => {
  const scene = await newScene();
  assert.equal((await scene.maintain()).repack, 'none');
  await scene.maintain(true);
  assert.deepEqual(await packsOf(scene), []);
  const shared = await openDiskRepository(scene.bare, 'shared');
  await assert.rejects(shared.maintain({ signal: never, force: true }), { code: 'failed_precondition' });
});
