import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode, type ObjectFormat } from '#base';
import { fuzzRuns } from '#test/fuzz';
import type { CommitNode } from '#wire';
import { testStorage } from '#test/disk-repository';
import { generateRepository } from '#test/generate';
import { commitFiles, git } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import '#test/temporary-in-memory';
import {
  decodeGraphHead,
  type GraphChunkId,
  graphChunkIds,
  graphHeadBytes,
  GraphLayer,
} from './graph-layer.ts';
import { CommitGraph } from './commit-graph.ts';
import { GraphReader } from './graph-reader.ts';
import { reachesAll } from './reaches.ts';

let bare: string;

before(async () => {
  bare = join(temporaryDirectory('graph'), 'history.git');
  await generateRepository(bare, { seed: 7, commits: 300, branches: 9, tags: 5, files: 12 });
});

async function copyOf(source = bare): Promise<string> {
  const path = join(temporaryDirectory('copy'), 'copy.git');
  await git(['clone', '--quiet', '--mirror', source, path]);
  return path;
}

function readerOf(gitDir: string, format: ObjectFormat = 'sha1', settings = {}): GraphReader {
  return new GraphReader(testStorage({}, settings), gitDir, format);
}

/** What git itself says of all commits: id, time, parents. */
async function commitsOf(gitDir: string): Promise<readonly CommitNode[]> {
  const text = await git(['log', '--all', '--format=%H %ct %P'], { cwd: gitDir });
  return text.split('\n').map((line) => {
    const [oid = '', time, ...parents] = line.trimEnd().split(' ');
    return { oid, committerTimeSeconds: Number(time), parents };
  });
}

function assertSame(graph: CommitGraph | undefined, commits: readonly CommitNode[]): void {
  assert.ok(graph !== undefined);
  const levels = new Map<string, number>();
  for (const { oid, committerTimeSeconds, parents } of commits.toReversed()) {
    const node = graph.node(oid);
    assert.ok(node !== undefined, oid);
    const { generation, ...plain } = node;
    assert.deepEqual(plain, { oid, committerTimeSeconds, parents });
    levels.set(oid, generation?.level ?? -1);
  }
  for (const { oid, parents } of commits) {
    const highest = Math.max(0, ...parents.map((parent) => levels.get(parent) ?? Number.NaN));
    assert.equal(levels.get(oid), highest + 1, 'a level is one more than the highest of its parents');
  }
}

for (const format of ['sha1', 'sha256'] as const) {
  test(`a graph of one file says what git says (${format})`, async () => {
    const path = join(temporaryDirectory('graph'), 'r.git');
    await git(['init', '--quiet', '--bare', `--object-format=${format}`, path]);
    const work = join(temporaryDirectory('work'), 'work');
    await git(['init', '--quiet', `--object-format=${format}`, work]);
    await commitFiles(work, { a: '1' });
    for (const name of ['x', 'y', 'z']) await git(['branch', name], { cwd: work });
    for (const name of ['x', 'y', 'z']) {
      await git(['checkout', '--quiet', name], { cwd: work });
      await commitFiles(work, { [name]: name });
    }
    await git(['checkout', '--quiet', 'main'], { cwd: work });
    // More than two parents go into a chunk of their own.
    await git(['merge', '--quiet', '-m', 'octopus', 'x', 'y', 'z'], { cwd: work });
    await git(['push', '--quiet', '--mirror', path], { cwd: work });
    await git(['commit-graph', 'write', '--reachable', '--changed-paths'], { cwd: path });
    const graph = await readerOf(path, format).current();
    assertSame(graph, await commitsOf(path));
    assert.equal(graph?.node('0'.repeat(format === 'sha1' ? 40 : 64)), undefined);
    assert.ok((graph?.node(await git(['rev-parse', 'main'], { cwd: path }))?.parents.length ?? 0) > 2);
  });
}

test('generation numbers of both versions hold on all of a history', async () => {
  const path = await copyOf();
  await git(['commit-graph', 'write', '--reachable'], { cwd: path });
  const graph = await readerOf(path).current();
  const commits = await commitsOf(path);
  assertSame(graph, commits);
  for (const { oid, parents } of commits) {
    const corrected = graph?.node(oid)?.generation?.correctedTimeSeconds ?? Number.NaN;
    for (const parent of parents) {
      assert.ok(corrected > (graph?.node(parent)?.generation?.correctedTimeSeconds ?? Number.NaN));
    }
  }
  await git(['-c', 'commitGraph.generationVersion=1', 'commit-graph', 'write', '--reachable'], { cwd: path });
  rmSync(join(path, 'objects/info/commit-graph'));
  await git(['-c', 'commitGraph.generationVersion=1', 'commit-graph', 'write', '--reachable'], { cwd: path });
  const first = await readerOf(path).current();
  assertSame(first, commits);
  assert.equal(first?.node(commits[0]?.oid ?? '')?.generation?.correctedTimeSeconds, undefined);
});

test('a chain is read, grows, and is replaced under the reader', async () => {
  const path = await copyOf();
  const all = (await git(['rev-list', '--topo-order', '--reverse', '--all'], { cwd: path })).split('\n');
  const reader = readerOf(path);
  assert.equal(await reader.current(), undefined);
  for (const upTo of [100, 200, all.length]) {
    await git(['commit-graph', 'write', '--stdin-commits', '--split=no-merge'], {
      cwd: path,
      input: `${all.slice(0, upTo).join('\n')}\n`,
    });
    const graph = await reader.current();
    assert.ok((graph?.commits ?? 0) >= upTo);
    assert.equal(graph?.has(all[upTo - 1] ?? ''), true);
  }
  // What is fresh is read again, lest a change hide behind the same time stamp: so look later.
  const later = {
    nowMs: () => Date.now() + 60_000,
    monotonicMs: () => Date.now() + 60_000,
    after: () => () => undefined,
  };
  const patient = new GraphReader(testStorage({ clock: later }), path, 'sha1');
  const chained = await patient.current();
  assert.ok((chained?.layers.length ?? 0) >= 3);
  assertSame(chained, await commitsOf(path));
  assert.equal(await patient.current(), chained, 'what did not change is not read again');
  await git(['commit-graph', 'write', '--reachable'], { cwd: path });
  const single = await reader.current();
  assert.equal(single?.layers.length, 1);
  assertSame(single, await commitsOf(path));
  rmSync(join(path, 'objects/info/commit-graph'));
  rmSync(join(path, 'objects/info/commit-graphs'), { recursive: true, force: true });
  assert.equal(await reader.current(), undefined);
});

test('where git ignores the graph, and past the memory for it, there is none', async () => {
  const path = await copyOf();
  await git(['commit-graph', 'write', '--reachable'], { cwd: path });
  assert.equal(await readerOf(path, 'sha1', { commitGraphBytes: 1000 }).current(), undefined);
  assert.equal(await readerOf(path, 'sha256').current(), undefined);
  const reader = readerOf(path);
  assert.ok((await reader.current()) !== undefined);
  const [tip = ''] = (await git(['rev-list', 'main'], { cwd: path })).split('\n');
  writeFileSync(join(path, 'info/grafts'), `${tip}\n`);
  assert.equal(await reader.current(), undefined);
  rmSync(join(path, 'info/grafts'));
  assert.ok((await reader.current()) !== undefined);
  writeFileSync(join(path, 'shallow'), `${tip}\n`);
  assert.equal(await reader.current(), undefined);
});

test('a chain that lacks a layer is not used', async () => {
  const path = await copyOf();
  const all = (await git(['rev-list', '--topo-order', '--reverse', '--all'], { cwd: path })).split('\n');
  for (const upTo of [150, all.length]) {
    await git(['commit-graph', 'write', '--stdin-commits', '--split=no-merge'], {
      cwd: path,
      input: `${all.slice(0, upTo).join('\n')}\n`,
    });
  }
  const directory = join(path, 'objects/info/commit-graphs');
  assert.ok((await readerOf(path).current()) !== undefined);
  const [lowest = ''] = readFileSync(join(directory, 'commit-graph-chain'), 'latin1').split('\n');
  rmSync(join(directory, `graph-${lowest}.graph`));
  assert.equal(await readerOf(path).current(), undefined);
  appendFileSync(join(directory, 'commit-graph-chain'), '../../../../etc/passwd\n');
  assert.equal(await readerOf(path).current(), undefined);
  assert.ok(readdirSync(directory).length > 0);
});

test('damage of any kind is an error with a name, or a commit that is not there, and never another', async () => {
  const path = await copyOf();
  await git(['commit-graph', 'write', '--reachable'], { cwd: path });
  const sound = readFileSync(join(path, 'objects/info/commit-graph'));
  const commits = await commitsOf(path);
  const decoded = (bytes: Buffer): CommitGraph => {
    const head = decodeGraphHead(bytes.subarray(0, graphHeadBytes), bytes.length, 'sha1');
    const chunks = new Map<GraphChunkId, Buffer>();
    for (const id of graphChunkIds) {
      const chunk = head.chunks.get(id);
      if (chunk !== undefined) chunks.set(id, bytes.subarray(chunk.offset, chunk.offset + chunk.lengthBytes));
    }
    return new CommitGraph([new GraphLayer(chunks, 'sha1')]);
  };
  assertSame(decoded(sound), commits);
  const survives = (bytes: Buffer): void => {
    try {
      const graph = decoded(bytes);
      for (const { oid } of commits) graph.node(oid);
    } catch (error) {
      assert.ok(hasCode(error, 'data_loss'), String(error));
    }
  };
  const changes = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(changes, fc.option(fc.nat(sound.length)), fc.boolean(), (edits, cut, inHead) => {
      const bytes = Buffer.from(sound.subarray(0, cut ?? sound.length));
      for (const [at, value] of edits) {
        if (bytes.length > 0) bytes[at % (inHead ? Math.min(bytes.length, 1200) : bytes.length)] = value;
      }
      survives(bytes);
    }),
    fuzzRuns(300),
  );
  for (let length = 0; length < 1200; length += 1) survives(Buffer.from(sound.subarray(0, length)));
});

test('reachability is what git says, with a graph that knows all, some, or nothing', async () => {
  const path = await copyOf();
  const commits = await commitsOf(path);
  const plain = new Map(commits.map((commit) => [commit.oid, commit]));
  const all = (await git(['rev-list', '--topo-order', '--reverse', '--all'], { cwd: path })).split('\n');
  await git(['commit-graph', 'write', '--stdin-commits'], {
    cwd: path,
    input: `${all.slice(0, 200).join('\n')}\n`,
  });
  const partly = await readerOf(path).current();
  await git(['commit-graph', 'write', '--reachable'], { cwd: path });
  const wholly = await readerOf(path).current();
  const tips = (await git(['for-each-ref', '--format=%(objectname)', 'refs/heads/'], { cwd: path })).split(
    '\n',
  );
  const ways = [
    async (oid: string) => plain.get(oid),
    (oid: string) => partly?.node(oid) ?? plain.get(oid),
    (oid: string) => wholly?.node(oid),
  ];
  for (const tip of tips.slice(0, 4)) {
    const ancestors = new Set((await git(['rev-list', tip], { cwd: path })).split('\n'));
    for (const target of all.filter((_, index) => index % 13 === 0)) {
      for (const way of ways) {
        assert.equal(await reachesAll(way, [tip], [target], 10_000), ancestors.has(target));
      }
    }
  }
  for (const way of ways) {
    assert.equal(
      await reachesAll(
        way,
        tips,
        all.filter((_, index) => index % 7 === 0),
        10_000,
      ),
      true,
    );
  }
  const root = all[0] ?? '';
  assert.equal(await reachesAll(async (oid) => plain.get(oid), [all.at(-1) ?? ''], [root], 5), undefined);
  assert.equal(await reachesAll(() => undefined, tips, [root], 10), undefined);
});
