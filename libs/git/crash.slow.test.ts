import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Oid, PackhorseError, zeroOid } from '#base';
import type { CommandResult, RefCommand } from '#wire';
import { type Fault, FaultyDisk } from '#test/faulty-disk';
import { pusher, testStorage } from '#test/disk-repository';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import '#test/temporary-in-memory';
import { DiskRepository } from './disk-repository.ts';
import type { ObjectReader } from './object-reader.ts';
import type { ObjectKind } from './reader.ts';
import type { RepositoryMode } from './repository-policy.ts';
import { type Disk, forEachBounded, systemDisk } from './volume/disk.ts';
import { openVolume } from './volume/volume.ts';

const id = 'crashcrashcrash';
const zero = zeroOid('sha1');
const many = 70;

/** A volume with one repository, and a push onto it. */
interface Prepared {
  readonly volume: string;
  readonly pack: Buffer;
  readonly oldOid: Oid;
  readonly newOid: Oid;
}

interface Scenario {
  readonly name: string;
  readonly mode: RepositoryMode;
  readonly atomic: boolean;
  readonly faults: readonly ('crash' | 'power' | 'error')[];
  /** The pack is indexed by git, as a large one. */
  readonly indexed?: boolean;
  commands(prepared: Prepared): readonly RefCommand[];
}

const branch = (name: string): string => `refs/heads/${name}`;

const everyKind = ({ oldOid, newOid }: Prepared): RefCommand[] => [
  { name: branch('main'), oldOid, newOid },
  { name: branch('packed'), oldOid, newOid },
  { name: branch('new/deep'), oldOid: zero, newOid },
  { name: branch('both'), oldOid, newOid: zero },
  { name: branch('a/nested'), oldOid, newOid: zero },
];

const scenarios: readonly Scenario[] = [
  {
    name: 'a push of every kind of update',
    mode: 'owned',
    atomic: false,
    faults: ['crash', 'power', 'error'],
    commands: everyKind,
  },
  {
    name: 'an atomic push that git indexes',
    mode: 'owned',
    atomic: true,
    faults: ['crash', 'power', 'error'],
    indexed: true,
    commands: everyKind,
  },
  {
    name: 'a push to a shared repository',
    mode: 'shared',
    atomic: true,
    faults: ['error'],
    commands: everyKind,
  },
  {
    name: 'a push of many refs',
    mode: 'owned',
    atomic: false,
    faults: ['power', 'error'],
    commands: (prepared) => [
      ...everyKind(prepared),
      ...Array.from({ length: many }, (_, index) => ({
        name: `refs/tags/t${index}`,
        oldOid: zero,
        newOid: prepared.newOid,
      })),
    ],
  },
];

/** What the repository has, read once: starting git for each question would be slow. */
const known = new Map<Oid, { readonly kind: ObjectKind; readonly bytes: Buffer }>();

const objects: ObjectReader = {
  header: (oid) => Promise.resolve({ kind: known.get(oid)?.kind ?? 'commit', sizeBytes: 1 }),
  existing: (oids) => Promise.resolve(new Set(oids.filter((oid) => known.has(oid)))),
  read: (oid) => Promise.resolve(known.get(oid)),
  commitNode: () => Promise.resolve(undefined),
  peelTag: () => Promise.resolve(undefined),
};

let prepared: Prepared;

before(async () => {
  const work = await newWorkTree();
  const first = await git(['rev-parse', 'HEAD'], { cwd: work });
  const oldOid = await commitFiles(work, { 'second.txt': 'second' });
  const newOid = await commitFiles(work, { 'third.txt': 'third' });
  const pack = await tryGit(['pack-objects', '--stdout', '--revs', '--thin', '-q'], {
    cwd: work,
    input: `${newOid}\n^${oldOid}\n`,
  });
  const path = join(temporaryDirectory('prepared'), 'volume');
  await using volume = await openVolume(path);
  await volume.createRepository(id, { objectFormat: 'sha1', defaultBranch: 'main' });
  const bare = volume.repositoryPath(id);
  await git(['push', '--quiet', bare, `${oldOid}:${branch('main')}`], { cwd: work });
  for (const name of ['packed', 'stays']) await git(['update-ref', branch(name), oldOid], { cwd: bare });
  for (const name of ['main', 'both', 'a/nested'])
    await git(['update-ref', branch(name), first], { cwd: bare });
  await git(['pack-refs', '--all'], { cwd: bare });
  for (const name of ['main', 'both', 'a/nested'])
    await git(['update-ref', branch(name), oldOid], { cwd: bare });
  for (const line of (await git(['rev-list', '--objects', '--all'], { cwd: bare })).split('\n')) {
    const oid = line.slice(0, 40);
    const kind = await git(['cat-file', '-t', oid], { cwd: bare });
    assert.ok(kind === 'commit' || kind === 'tree' || kind === 'blob');
    known.set(oid, { kind, bytes: (await tryGit(['cat-file', kind, oid], { cwd: bare })).stdout });
  }
  prepared = { volume: path, pack: pack.stdout, oldOid, newOid };
});

async function repositoryOn(
  disk: Disk,
  volume: string,
  { mode, indexed = false }: Pick<Scenario, 'mode' | 'indexed'> = { mode: 'owned' },
): Promise<DiskRepository> {
  const gitDir = join(volume, 'repositories', id.slice(0, 2), id.slice(2, 4), `${id}.git`);
  const storage = testStorage({ disk }, indexed ? { smallPackBytes: 0 } : {});
  return await DiskRepository.open(storage, {
    id,
    gitDir,
    mode,
    objects,
    maxCommands: 1000,
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A push, and what it leaves for later. */
async function push(disk: Disk, volume: string, scenario: Scenario): Promise<readonly CommandResult[]> {
  const repository = await repositoryOn(disk, volume, scenario);
  try {
    return await pushTo(repository, scenario);
  } finally {
    await repository.settle();
  }
}

async function pushTo(repository: DiskRepository, scenario: Scenario): Promise<readonly CommandResult[]> {
  const receiver = await repository.receivePack(pusher);
  await using quarantine = await receiver.openQuarantine(new AbortController().signal);
  await quarantine.receive(once(prepared.pack), { maxPackBytes: 1 << 20, clientShallows: [] });
  assert.deepEqual(await quarantine.disconnected([prepared.newOid]), new Set());
  return await quarantine.commit(scenario.commands(prepared), { atomic: scenario.atomic, pushOptions: [] });
}

interface Attempt {
  readonly disk: FaultyDisk;
  readonly volume: string;
  /** undefined when the push failed as a whole. */
  readonly results: readonly CommandResult[] | undefined;
  readonly error: unknown;
}

async function attempt(scenario: Scenario, fault?: Fault): Promise<Attempt> {
  const volume = join(temporaryDirectory('crash'), 'volume');
  cpSync(prepared.volume, volume, { recursive: true });
  const disk = new FaultyDisk(fault);
  try {
    return { disk, volume, results: await push(disk, volume, scenario), error: undefined };
  } catch (error) {
    return { disk, volume, results: undefined, error };
  }
}

function leftovers(volume: string): string[] {
  return readdirSync(volume, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\.lock$|\/tmp_|objects\/incoming-|packed-refs\.new|^(?:busy|incoming|trash)\//.test(path),
  );
}

/** Starts again on what is left, and returns the refs. Fails when anything temporary or broken remains. */
async function restart(volume: string): Promise<ReadonlyMap<string, Oid>> {
  await using opened = await openVolume(volume);
  const repository = await repositoryOn(systemDisk, volume);
  assert.deepEqual(leftovers(volume), []);
  const bare = opened.repositoryPath(id);
  await fsck(bare);
  const ours = new Map((await repository.refs()).refs.map((ref) => [ref.name, ref.oid]));
  const theirs = await git(['for-each-ref', '--format=%(refname) %(objectname)'], { cwd: bare });
  assert.deepEqual([...ours].map(([name, oid]) => `${name} ${oid}`).join('\n'), theirs);
  return ours;
}

type State = 'old' | 'new';

/** Which commands are in effect. Fails for a ref that is neither old nor new. */
function statesOf(scenario: Scenario, refs: ReadonlyMap<string, Oid>): State[] {
  assert.equal(refs.get(branch('stays')), prepared.oldOid);
  return scenario.commands(prepared).map(({ name, oldOid, newOid }) => {
    const value = refs.get(name) ?? zero;
    assert.ok(value === oldOid || value === newOid, `${name} is ${value}`);
    return value === newOid ? 'new' : 'old';
  });
}

/** A branch that has moved says so in its reflog, once; one that has not does not. */
function checkReflogs(scenario: Scenario, volume: string, states: readonly State[], what: string): void {
  const place = join(volume, 'repositories', id.slice(0, 2), id.slice(2, 4), `${id}.git`);
  for (const [index, { name, oldOid, newOid }] of scenario.commands(prepared).entries()) {
    if (newOid === zero || !name.startsWith(branch(''))) continue;
    const log = join(place, 'logs', name);
    const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : [];
    const said = lines.filter((line) => line.startsWith(`${oldOid} ${newOid} `)).length;
    assert.equal(said, states[index] === 'new' ? 1 : 0, `the reflog of ${name}, ${what}`);
  }
}

function isAllOk(results: readonly CommandResult[] | undefined): boolean {
  return results?.every((result) => result.status === 'ok') === true;
}

/** The steps of a push without fault, by index; of steps that are alike, such as one for each of many refs, the first three. */
async function stepsOf(scenario: Scenario): Promise<readonly (readonly [at: number, step: string])[]> {
  const { disk, results, volume, error } = await attempt(scenario);
  assert.equal(error, undefined);
  assert.ok(isAllOk(results), JSON.stringify(results));
  assert.ok(statesOf(scenario, await restart(volume)).every((state) => state === 'new'));
  const writesPack = disk.steps.some((step) => step.startsWith('create ') && step.endsWith('.pack'));
  assert.equal(writesPack, scenario.indexed !== true);
  rmSync(volume, { recursive: true });
  const seen = new Map<string, number>();
  const steps = [...disk.steps.entries()].filter(([, step]) => {
    const kind = step.replace(/\d+|[^/ ]{26}/g, '#');
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    return count <= 3;
  });
  assert.ok(steps.length > 30);
  return steps;
}

/** Tries the push with a fault at each step, several at once because most of the time goes by waiting for git. */
async function atEveryStep(
  scenario: Scenario,
  faultAt: (at: number) => Fault,
  check: (attempt: Attempt, what: string) => Promise<void>,
): Promise<void> {
  await forEachBounded(await stepsOf(scenario), 4, async ([at, step]) => {
    const attempted = await attempt(scenario, faultAt(at));
    const { disk, results, error } = attempted;
    assert.ok(disk.failedStep !== undefined, `nothing failed at "${step}"`);
    await check(
      attempted,
      `fault at "${disk.failedStep}": ${JSON.stringify(results?.slice(0, 5))} ${String(error)}`,
    );
    rmSync(attempted.volume, { recursive: true });
  });
}

async function checkRestart(scenario: Scenario, { volume, results }: Attempt, what: string): Promise<void> {
  const states = statesOf(scenario, await restart(volume));
  assert.ok(!isAllOk(results) || states.every((state) => state === 'new'), what);
}

const checks = {
  crash: (scenario: Scenario): void => {
    test(`${scenario.name} leaves each ref old or new when the server dies at any step`, async () => {
      await atEveryStep(
        scenario,
        (at) => ({ at, kind: 'crash' }),
        async (attempted, what) => {
          assert.ok(attempted.disk.crashed, what);
          await checkRestart(scenario, attempted, what);
        },
      );
    });
  },
  power: (scenario: Scenario): void => {
    test(`${scenario.name} survives a loss of power at any step`, async () => {
      await atEveryStep(
        scenario,
        (at) => ({ at, kind: 'crash' }),
        async (attempted, what) => {
          attempted.disk.losePower(attempted.volume);
          await checkRestart(scenario, attempted, what);
        },
      );
    });

    test(`${scenario.name} outlasts a loss of power once it was acknowledged`, async () => {
      const attempted = await attempt(scenario);
      assert.ok(isAllOk(attempted.results));
      attempted.disk.losePower(attempted.volume);
      await checkRestart(scenario, attempted, 'afterwards');
    });
  },
  error: (scenario: Scenario): void => {
    for (const code of ['ENOSPC', 'EIO'] as const) failsWith(code, scenario);
  },
};

function failsWith(code: 'ENOSPC' | 'EIO', scenario: Scenario): void {
  test(`${scenario.name} says truly what became of it when the disk answers ${code} at any step`, async () => {
    await atEveryStep(
      scenario,
      (at) => ({ at, kind: 'error', code }),
      async ({ disk, volume, results, error }, what) => {
        assert.ok(error === undefined || error instanceof PackhorseError, what);
        if (!/^(?:unlink|rmdir|remove) /.test(disk.failedStep ?? ''))
          assert.deepEqual(leftovers(volume), [], what);
        const states = statesOf(scenario, await restart(volume));
        assert.deepEqual(leftovers(volume), [], what);
        const said =
          results?.map((result) => (result.status === 'ok' ? 'new' : 'old')) ?? states.map(() => 'old');
        assert.deepEqual(states, said, what);
        checkReflogs(scenario, volume, states, what);
        if (scenario.atomic) assert.equal(new Set(states).size, 1, what);
        if (states.includes('new')) return;
        assert.ok(isAllOk(await push(systemDisk, volume, scenario)), `the next push after ${what}`);
      },
    );
  });
}

for (const scenario of scenarios) for (const fault of scenario.faults) checks[fault](scenario);

test('the prepared volume is what the scenarios say', () => {
  const bare = join(prepared.volume, 'repositories', id.slice(0, 2), id.slice(2, 4), `${id}.git`);
  assert.ok(existsSync(join(bare, branch('both'))) && !existsSync(join(bare, branch('packed'))));
});
