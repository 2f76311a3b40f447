import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { before, test } from 'node:test';
import { openVolume } from '#git';
import { pusher } from '#test/disk-repository';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import { plainDaemon } from '#test/plain-doors';
import { testPools } from '#test/pools';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';
import '#test/temporary-in-memory';

/** A real server is killed with -9 at every step of what it does on the disk for a push of real git. */

const program = resolve(import.meta.dirname, '../support/killed-receive-pack.ts');
const id = 'killedkilled';
const inVolume = `repositories/${id.slice(0, 2)}/${id.slice(2, 4)}/${id}.git`;
const refspecs = ['main', 'main:packed', 'main:new/deep', 'main:refs/tags/v1'];
const deletions = ['both', 'a/nested'];
const atOnce = 3;
/** The server is started a hundred times. */
const compiled = temporaryDirectory('compiled');

let work: string;
let volume: string;
let oldOid: string;
let newOid: string;

before(async () => {
  work = await newWorkTree();
  const first = await git(['rev-parse', 'HEAD'], { cwd: work });
  oldOid = await commitFiles(work, { 'second.txt': 'second' });
  newOid = await commitFiles(work, { 'third.txt': 'third' });
  volume = join(temporaryDirectory('prepared'), 'volume');
  await using opened = await openVolume(volume);
  await opened.createRepository(id, { objectFormat: 'sha1', defaultBranch: 'main' });
  const bare = join(volume, inVolume);
  await git(['push', '--quiet', bare, `${oldOid}:refs/heads/main`], { cwd: work });
  const point = async (names: readonly string[], oid: string): Promise<void> => {
    for (const name of names) await git(['update-ref', `refs/heads/${name}`, oid], { cwd: bare });
  };
  await point(['packed', 'stays'], oldOid);
  await point(['main', 'both', 'a/nested'], first);
  await git(['pack-refs', '--all'], { cwd: bare });
  await point(['main', 'both', 'a/nested'], oldOid);
});

type Mode = 'owned' | 'shared';

interface Pushed {
  readonly isAcknowledged: boolean;
  readonly hasDied: boolean;
  /** What git and the server said. */
  readonly said: string;
}

/** What is pushed and deleted: of what is to go, what is still there. */
async function whatIsPushed(bare: string): Promise<readonly string[]> {
  const there = await git(['for-each-ref', '--format=%(refname:short)', 'refs/heads'], { cwd: bare });
  const gone = deletions.filter((name) => there.split('\n').includes(name)).map((name) => `:${name}`);
  return [...refspecs, ...gone];
}

/** Pushes and deletes to a server that is killed at `step`, or lives with step 0. */
async function push(mode: Mode, bare: string, step: number): Promise<Pushed> {
  const server = [process.execPath, program, mode, step].join(' ');
  const { code, stderr, stdout } = await tryGit(
    ['push', '--porcelain', `--receive-pack=${server}`, bare, ...(await whatIsPushed(bare))],
    { cwd: work, env: { NODE_COMPILE_CACHE: compiled } },
  );
  const said = `${stderr}${stdout.toString()}`;
  // The client is told by the end of a pipe, which comes before the end of the process.
  const pid = /^process (\d+)$/m.exec(said)?.[1];
  assert.ok(pid !== undefined, said);
  await waitUntil('the server is gone', () => !existsSync(`/proc/${pid}`));
  return { isAcknowledged: code === 0, hasDied: !said.includes('The server lived.'), said };
}

/** The same push again, to the next server, which is in this process: a process of its own takes most of the time. */
async function pushAgain(mode: Mode, place: string): ReturnType<typeof tryGit> {
  const bare = join(place, inVolume);
  await using _volume = mode === 'owned' ? await openVolume(place) : undefined;
  await using pools = testPools();
  const agent = pools.agent(bare, mode);
  const repository = { ...(await agent.uploadPack()), ...(await agent.receivePack(pusher)) };
  await using server = await plainDaemon(repository);
  return await tryGit(['push', '--porcelain', server.url, ...(await whatIsPushed(bare))], { cwd: work });
}

/** Which refs have moved. Fails for one that is neither old nor new. */
async function movedRefs(bare: string): Promise<Readonly<Record<string, boolean>>> {
  const listed = await git(['for-each-ref', '--format=%(refname) %(objectname)'], { cwd: bare });
  const refs = new Map(listed.split('\n').map((line) => [line.split(' ')[0], line.split(' ')[1]]));
  const moved = (name: string, before: string | undefined, after: string | undefined): boolean => {
    const found = refs.get(name);
    assert.ok(found === before || found === after, `${name} is ${found}`);
    return found === after;
  };
  assert.equal(refs.get('refs/heads/stays'), oldOid);
  return {
    main: moved('refs/heads/main', oldOid, newOid),
    packed: moved('refs/heads/packed', oldOid, newOid),
    'new/deep': moved('refs/heads/new/deep', undefined, newOid),
    both: moved('refs/heads/both', oldOid, undefined),
    'a/nested': moved('refs/heads/a/nested', oldOid, undefined),
    v1: moved('refs/tags/v1', undefined, newOid),
  };
}

function leftovers(below: string): string[] {
  return readdirSync(below, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\.lock$|\/tmp_|incoming-|packed-refs\.new|^(?:busy|incoming|trash)\//.test(path),
  );
}

function copyOfVolume(): string {
  const place = join(temporaryDirectory('killed'), 'volume');
  cpSync(volume, place, { recursive: true });
  return place;
}

/** The steps of a push, counted from 1; of steps that are alike, such as two writes to one file, the first two. */
async function stepsOf(mode: Mode): Promise<readonly number[]> {
  const { said } = await push(mode, join(copyOfVolume(), inVolume), 0);
  const seen = new Map<string, number>();
  return Array.from(said.matchAll(/^step (.*)$/gm), ([, step = '']) => step)
    .map((step, index) => [index + 1, step.replace(/\d+|[^/ ]{26}/g, '#')] as const)
    .filter(([, kind]) => {
      const count = (seen.get(kind) ?? 0) + 1;
      seen.set(kind, count);
      return count <= 2;
    })
    .map(([at]) => at);
}

/** One push to a server that dies at `step`, and what follows. */
async function killedAt(mode: Mode, step: number): Promise<void> {
  const place = copyOfVolume();
  const bare = join(place, inVolume);
  const { isAcknowledged, hasDied, said } = await push(mode, bare, step);
  const what = `killed at step ${step}: ${said}`;
  assert.ok(hasDied, what);
  // Others may look at it before a server does again.
  await fsck(bare);
  const moved = Object.values(await movedRefs(bare));
  assert.ok(!isAcknowledged || moved.every((isNew) => isNew), what);
  const again = await pushAgain(mode, place);
  assert.equal(again.code, 0, `${again.stderr}, after ${what}`);
  assert.deepEqual(leftovers(place), [], what);
  assert.ok(
    Object.values(await movedRefs(bare)).every((isNew) => isNew),
    what,
  );
  await fsck(bare);
  rmSync(place, { recursive: true });
}

for (const mode of ['owned', 'shared'] as const) {
  const place = mode === 'owned' ? 'a repository of ours' : 'a shared repository';
  test(`a push to ${place} leaves each ref old or new and nothing behind wherever the server is killed`, async () => {
    const steps = await stepsOf(mode);
    assert.ok(steps.length > 25, `${steps.length} steps`);
    const queue = steps.values();
    const next = async (): Promise<void> => {
      for (const step of queue) await killedAt(mode, step);
    };
    await Promise.all(Array.from({ length: atOnce }, next));
  });
}
