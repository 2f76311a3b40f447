import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Oid } from '#base';
import type { CommitNode } from '#wire';
import { CommitQueue } from './commit-queue.ts';
import type { FindCommit } from './relation.ts';

/** How many commits are looked at before others get a turn of the event loop. */
const sliceCommits = 2_000;

/**
 * Whether every commit of `targets` is one of `tips` or an ancestor of one. Walks from the tips,
 * the highest generation first, and leaves out what is too low to lead to any target; commits
 * without a generation are walked before all others. undefined when that takes more than
 * `maxCommits`, or when a commit on the way is missing.
 */
export async function reachesAll(
  nodeOf: FindCommit,
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
  const queue = new CommitQueue<{ readonly node: CommitNode }>();
  const seen = new Set<Oid>();
  for (const tip of tips) {
    if (seen.has(tip)) continue;
    seen.add(tip);
    const node = await nodeOf(tip);
    // Refs may name trees and blobs, which lead to no commit.
    if (node !== undefined) queue.add({ node });
  }
  for (let visited = 0; ; visited += 1) {
    const node = queue.take()?.node;
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
      queue.add({ node: next });
    }
  }
}
