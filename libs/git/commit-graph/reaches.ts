import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Oid } from '#base';
import type { CommitNode } from '#wire';

/** How many commits are looked at before others get a turn of the event loop. */
const sliceCommits = 2_000;

/**
 * Whether every commit of `targets` is one of `tips` or an ancestor of one. Walks from the tips,
 * the highest generation first, and leaves out what is too low to lead to any target; commits
 * without a generation are walked before all others. undefined when that takes more than
 * `maxCommits`, or when a commit on the way is missing.
 */
export async function reachesAll(
  nodeOf: (oid: Oid) => CommitNode | undefined | Promise<CommitNode | undefined>,
  tips: readonly Oid[],
  targets: readonly Oid[],
  maxCommits: number,
): Promise<boolean | undefined> {
  const left = new Set(targets);
  for (const tip of tips) left.delete(tip);
  if (left.size === 0) return true;
  let lowest = Number.POSITIVE_INFINITY;
  for (const target of left) {
    const node = await nodeOf(target);
    if (node?.oid !== target) return undefined;
    lowest = Math.min(lowest, node.generation?.level ?? Number.POSITIVE_INFINITY);
  }
  const queue = new LevelQueue();
  const seen = new Set<Oid>();
  for (const tip of tips) {
    if (seen.has(tip)) continue;
    seen.add(tip);
    const node = await nodeOf(tip);
    // Refs may name trees and blobs, which lead to no commit.
    if (node !== undefined) queue.add(node);
  }
  for (let visited = 0; ; visited += 1) {
    const node = queue.take();
    if (node === undefined) return false;
    if (visited >= maxCommits) return undefined;
    if (visited % sliceCommits === sliceCommits - 1) await nextTurn();
    left.delete(node.oid);
    if (left.size === 0) return true;
    // All ancestors have a lower level; a target without one is no ancestor of a commit that has one.
    if (node.generation !== undefined && node.generation.level <= lowest) continue;
    for (const parent of node.parents) {
      if (seen.has(parent)) continue;
      seen.add(parent);
      const found = nodeOf(parent);
      const next = found instanceof Promise ? await found : found;
      if (next === undefined) return undefined;
      queue.add(next);
    }
  }
}

/** Commits by level, the highest first; those without one come before all. */
class LevelQueue {
  readonly #heap: CommitNode[] = [];

  add(node: CommitNode): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(node);
    while (at > 0) {
      const above = (at - 1) >>> 1;
      const parent = heap[above];
      if (parent === undefined || levelOf(parent) >= levelOf(node)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = node;
  }

  take(): CommitNode | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      let child = heap[below];
      if (child === undefined) break;
      const other = heap[below + 1];
      if (other !== undefined && levelOf(other) > levelOf(child)) {
        child = other;
        below += 1;
      }
      if (levelOf(child) <= levelOf(last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return top;
  }
}

function levelOf(node: CommitNode): number {
  return node.generation?.level ?? Number.POSITIVE_INFINITY;
}
