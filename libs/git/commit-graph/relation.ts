import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Oid } from '#base';
import type { CommitNode } from '#wire';
import { CommitQueue } from './commit-queue.ts';

/** Finds a commit; a tag is peeled. At once where a commit-graph has it. */
export type FindCommit = (oid: Oid) => CommitNode | undefined | Promise<CommitNode | undefined>;

/** How two histories relate. */
export interface Relation {
  /** Commits that only the first one has. */
  readonly ahead: number;
  /** Commits that only the second one has. */
  readonly behind: number;
  /** The commits of both that no other commit of both reaches; the one with the latest date first. */
  readonly mergeBases: readonly Oid[];
}

export interface WalkLimits {
  /** Past so many steps a walk gives up. */
  readonly maxCommits: number;
  /** And past so many commits that were not found at once. */
  readonly maxReads: number;
  readonly signal?: AbortSignal | undefined;
}

/** How many commits are looked at before others get a turn of the event loop. */
const sliceCommits = 2_000;

const first = 1;
const second = 2;
const both = 3;
/** An ancestor of a commit that both have. */
const below = 4;
const everything = 7;

interface Painted {
  readonly node: CommitNode;
  paint: number;
  isQueued: boolean;
  /** Its parents had some of its paint. */
  wasTaken: boolean;
}

/**
 * Compares the histories of two commits. What it says is exact whatever the commit dates are: with
 * a commit-graph it looks at little more than what only one of them has; without one it looks on
 * until all paths meet in one commit, if need be at everything. undefined when that is past the
 * limits, or when a commit is missing.
 */
export async function relate(
  find: FindCommit,
  one: Oid,
  other: Oid,
  limits: WalkLimits,
): Promise<Relation | undefined> {
  const painting = new Painting(find);
  if (!(await painting.begin(one, other)) || !(await painting.run(limits, () => false))) return undefined;
  return painting.relation();
}

/** Whether `ancestor` is `descendant` or an ancestor of it; otherwise as `relate`. */
export async function isAncestor(
  find: FindCommit,
  ancestor: Oid,
  descendant: Oid,
  limits: WalkLimits,
): Promise<boolean | undefined> {
  const painting = new Painting(find);
  const sought = await painting.begin(ancestor, descendant);
  if (sought === undefined) return undefined;
  const isKnown = (): boolean => (sought.paint & second) !== 0 || painting.isFinal(sought);
  return (await painting.run(limits, isKnown)) ? (sought.paint & second) !== 0 : undefined;
}

/** Paints commits by which of two reach them, from the tips down. */
class Painting {
  readonly #find: FindCommit;
  readonly #commits = new Map<Oid, Painted>();
  readonly #queue = new CommitQueue<Painted>();
  /** Queued commits that are not below one of both. */
  #undecided = 0;
  #metRoot = false;
  #reads = 0;

  constructor(find: FindCommit) {
    this.#find = find;
  }

  /** The first of the two tips; undefined when one is missing. */
  async begin(one: Oid, other: Oid): Promise<Painted | undefined> {
    const [oneNode, otherNode] = [await this.#find(one), await this.#find(other)];
    if (oneNode === undefined || otherNode === undefined) return undefined;
    const painted = this.#add(oneNode, first);
    if (oneNode.oid === otherNode.oid) this.#paint(painted, second);
    else this.#add(otherNode, second);
    return painted;
  }

  /** False when it cannot be finished. */
  async run({ maxCommits, maxReads, signal }: WalkLimits, isEnough: () => boolean): Promise<boolean> {
    for (let steps = 0; !isEnough() && !this.#isSettled(); steps += 1) {
      if (steps >= maxCommits || this.#reads >= maxReads) return false;
      if (steps % sliceCommits === sliceCommits - 1) {
        await nextTurn();
        signal?.throwIfAborted();
      }
      const walked = this.#step();
      if (!(typeof walked === 'boolean' ? walked : await walked)) return false;
    }
    return true;
  }

  /** Nothing above it is left that could still paint it. */
  isFinal(commit: Painted): boolean {
    const next = this.#queue.first;
    return commit.wasTaken && !commit.isQueued && next !== undefined && this.#isOrdered(next);
  }

  relation(): Relation {
    let [ahead, behind] = [0, 0];
    const bases: CommitNode[] = [];
    for (const { paint, node } of this.#commits.values()) {
      if (paint === first) ahead += 1;
      else if (paint === second) behind += 1;
      else if (paint === both) bases.push(node);
    }
    bases.sort((a, b) => b.committerTimeSeconds - a.committerTimeSeconds || (a.oid < b.oid ? -1 : 1));
    return { ahead, behind, mergeBases: bases.map(({ oid }) => oid) };
  }

  /** True once no commit that was taken can get more paint. */
  #isSettled(): boolean {
    const next = this.#queue.first;
    if (next === undefined) return true;
    // Whatever was taken reaches this one, which therefore reaches nothing of it.
    const isPassedByAll = this.#queue.size === 1 && !next.wasTaken && !this.#metRoot;
    if (isPassedByAll) return (next.paint & both) === both;
    // All that is left is lower than what was taken, so it does not reach it.
    return this.#undecided === 0 && this.#isOrdered(next);
  }

  #isOrdered({ node }: Painted): boolean {
    return this.#queue.height(node) !== Number.POSITIVE_INFINITY;
  }

  /** Takes one commit and paints its parents; waits only where one of them has to be read. */
  #step(): boolean | Promise<boolean> {
    const commit = this.#queue.take();
    if (commit === undefined) return true;
    commit.isQueued = false;
    commit.wasTaken = true;
    if ((commit.paint & below) === 0) this.#undecided -= 1;
    const { parents } = commit.node;
    if (parents.length === 0) this.#metRoot = true;
    const paint = (commit.paint & both) === both ? everything : commit.paint;
    for (const [index, parent] of parents.entries()) {
      const known = this.#commits.get(parent);
      if (known !== undefined) {
        this.#paint(known, paint);
        continue;
      }
      const found = this.#find(parent);
      if (found instanceof Promise) return this.#paintUnread(found, parents.slice(index + 1), paint);
      if (found === undefined) return false;
      this.#add(found, paint);
    }
    return true;
  }

  async #paintUnread(
    reading: Promise<CommitNode | undefined>,
    rest: readonly Oid[],
    paint: number,
  ): Promise<boolean> {
    const nodes = await Promise.all([reading, ...rest.map((oid) => this.#find(oid))]);
    this.#reads += nodes.length;
    for (const node of nodes) {
      if (node === undefined) return false;
      const known = this.#commits.get(node.oid);
      if (known === undefined) this.#add(node, paint);
      else this.#paint(known, paint);
    }
    return true;
  }

  #add(node: CommitNode, paint: number): Painted {
    const commit = { node, paint, isQueued: true, wasTaken: false };
    this.#commits.set(node.oid, commit);
    if ((paint & below) === 0) this.#undecided += 1;
    this.#queue.add(commit);
    return commit;
  }

  /** A commit that gets more paint after it was taken is taken again. */
  #paint(commit: Painted, paint: number): void {
    const before = commit.paint;
    const after = before | paint;
    if (after === before) return;
    commit.paint = after;
    if (commit.isQueued) {
      if ((before & below) === 0 && (after & below) !== 0) this.#undecided -= 1;
      return;
    }
    commit.isQueued = true;
    if ((after & below) === 0) this.#undecided += 1;
    this.#queue.add(commit);
  }
}
