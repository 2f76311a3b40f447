import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Oid } from '#base';
import { fuzzRuns } from '#test/fuzz';
import type { CommitNode, Generation } from '#wire';
import { type FindCommit, isAncestor, relate, type Relation } from './relation.ts';

const limits = { maxCommits: 100_000, maxReads: 100_000 };

/** Parents before children; what a commit is called says where in the list it is. */
type History = readonly CommitNode[];

function nameOf(index: number): Oid {
  return index.toString(16).padStart(40, '0');
}

/** `parents` and `seconds` of each commit; dates mean nothing for the order of a history. */
function historyOf(
  commits: readonly { readonly parents: readonly number[]; readonly seconds: number }[],
): History {
  return commits.map(({ parents, seconds }, index) => ({
    oid: nameOf(index),
    parents: parents.map(nameOf),
    committerTimeSeconds: seconds,
  }));
}

/** As `git commit-graph write` gives them to the commits that `isInside`, which has to hold for all ancestors of one. */
function withGenerations(history: History, isInside: (index: number) => boolean, dated: boolean): History {
  const known = new Map<Oid, Required<Generation>>();
  return history.map((node, index) => {
    if (!isInside(index)) return node;
    const above = node.parents.map((parent) => known.get(parent) ?? { level: 0, correctedTimeSeconds: 0 });
    const generation = {
      level: 1 + Math.max(0, ...above.map(({ level }) => level)),
      correctedTimeSeconds: Math.max(
        node.committerTimeSeconds,
        ...above.map(({ correctedTimeSeconds }) => correctedTimeSeconds + 1),
      ),
    };
    known.set(node.oid, generation);
    return { ...node, generation: dated ? generation : { level: generation.level } };
  });
}

/** What can be reached from each commit, by looking at everything. */
function reachable(history: History): ReadonlyMap<Oid, ReadonlySet<Oid>> {
  const found = new Map<Oid, ReadonlySet<Oid>>();
  for (const { oid, parents } of history) {
    found.set(oid, new Set([oid, ...parents.flatMap((parent) => [...(found.get(parent) ?? [])])]));
  }
  return found;
}

function expected(history: History, one: Oid, other: Oid): Relation {
  const all = reachable(history);
  const [ours, theirs] = [all.get(one) ?? new Set<Oid>(), all.get(other) ?? new Set<Oid>()];
  const common = [...ours].filter((oid) => theirs.has(oid));
  const best = common.filter((oid) => !common.some((base) => base !== oid && all.get(base)?.has(oid)));
  const seconds = new Map(history.map(({ oid, committerTimeSeconds }) => [oid, committerTimeSeconds]));
  const time = (oid: Oid): number => seconds.get(oid) ?? 0;
  return {
    ahead: ours.size - common.length,
    behind: theirs.size - common.length,
    mergeBases: best.sort((a, b) => time(b) - time(a) || (a < b ? -1 : 1)),
  };
}

/** Finds commits as a repository does: at once, or after a while, and counts which were asked for. */
class Finder {
  readonly asked = new Set<Oid>();
  readonly #nodes: ReadonlyMap<Oid, CommitNode>;
  readonly #isPrompt: (node: CommitNode) => boolean;

  constructor(history: History, isPrompt: (node: CommitNode) => boolean = () => true) {
    this.#nodes = new Map(history.map((node) => [node.oid, node]));
    this.#isPrompt = isPrompt;
  }

  readonly find: FindCommit = (oid) => {
    this.asked.add(oid);
    const node = this.#nodes.get(oid);
    return node === undefined || this.#isPrompt(node) ? node : Promise.resolve(node);
  };
}

const histories = fc
  .array(
    fc.record({
      // How far back each parent is; what would be before the first commit is left out.
      back: fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 3 }),
      seconds: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(20)),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map((commits) =>
    historyOf(
      commits.map(({ back, seconds }, index) => ({
        parents: [...new Set(back.map((distance) => index - distance).filter((parent) => parent >= 0))],
        seconds,
      })),
    ),
  );

test('relations are exact whatever the dates are, with generation numbers of all, some or no commits', async () => {
  await fc.assert(
    fc.asyncProperty(histories, fc.nat(), fc.nat(), fc.nat(), fc.boolean(), async (plain, a, b, c, dated) => {
      const [one, other] = [nameOf(a % plain.length), nameOf(b % plain.length)];
      const inside = reachable(plain).get(nameOf(c % plain.length)) ?? new Set();
      const answer = expected(plain, one, other);
      for (const history of [
        plain,
        withGenerations(plain, (index) => inside.has(nameOf(index)), dated),
        withGenerations(plain, () => true, dated),
      ]) {
        for (const isPrompt of [() => true, ({ generation }: CommitNode) => generation !== undefined]) {
          const { find } = new Finder(history, isPrompt);
          assert.deepEqual(await relate(find, one, other, limits), answer);
          const isBelow = answer.mergeBases.includes(one);
          assert.equal(await isAncestor(find, one, other, limits), isBelow);
        }
      }
    }),
    fuzzRuns(1_000),
  );
});

/** A main line with a side branch of three commits merged every ten, and two tips at the end. */
function longHistory(rounds: number): { readonly history: History; readonly one: Oid; readonly other: Oid } {
  const commits: { parents: number[]; seconds: number }[] = [];
  const add = (parents: readonly number[]): number =>
    commits.push({ parents: [...parents], seconds: 1000 + commits.length }) - 1;
  let main = add([]);
  for (let round = 0; round < rounds; round += 1) {
    let side = add([main]);
    for (let count = 0; count < 7; count += 1) main = add([main]);
    for (let count = 0; count < 2; count += 1) side = add([side]);
    main = add([main, side]);
  }
  const [one, other] = [add([main]), add([add([main])])];
  return { history: historyOf(commits), one: nameOf(one), other: nameOf(other) };
}

test('near tips of a long history are compared without walking it', async () => {
  const { history, one, other } = longHistory(1_000);
  for (const known of [history, withGenerations(history, () => true, true)]) {
    const finder = new Finder(known);
    const relation = await relate(finder.find, one, other, limits);
    assert.deepEqual(
      { ...relation, mergeBases: relation?.mergeBases.length },
      { ahead: 1, behind: 2, mergeBases: 1 },
    );
    assert.ok(finder.asked.size < 10, `${finder.asked.size} commits were asked for`);
  }
});

test('a generation number ends the search for an ancestor that is none, and so does a place that all paths pass', async () => {
  const { history, one, other } = longHistory(1_000);
  const isolated = nameOf(history.length);
  const withRoot = [...history, { oid: isolated, parents: [], committerTimeSeconds: 9_999_999 }];
  const known = new Finder(withGenerations(withRoot, () => true, false));
  assert.equal(await isAncestor(known.find, one, other, limits), false);
  assert.ok(known.asked.size < 40, `${known.asked.size} commits were asked for`);
  // A root may be reached from anywhere: without generation numbers only everything is enough.
  const unknown = new Finder(withRoot);
  assert.equal(await isAncestor(unknown.find, isolated, other, limits), false);
  assert.equal(unknown.asked.size, withRoot.length - 1);
});

test('a walk gives up past its limit, where a commit is missing, and when nobody waits for it', async () => {
  const { history, one, other } = longHistory(1_000);
  const [root] = history;
  assert.ok(root !== undefined);
  const { find } = new Finder(history);
  assert.equal(await isAncestor(find, root.oid, other, { ...limits, maxCommits: 500 }), undefined);
  const { find: slowly } = new Finder(history, () => false);
  assert.equal(await isAncestor(slowly, root.oid, other, { ...limits, maxReads: 500 }), undefined);
  assert.equal(await isAncestor(find, root.oid, other, limits), true);
  assert.equal(await relate(find, one, 'f'.repeat(40), limits), undefined);
  const broken: FindCommit = (oid) => (oid === history.at(-20)?.oid ? undefined : find(oid));
  assert.equal(await isAncestor(broken, root.oid, other, limits), undefined);
  const signal = AbortSignal.abort(new Error('gone'));
  await assert.rejects(isAncestor(find, root.oid, other, { ...limits, signal }), /gone/);
});
