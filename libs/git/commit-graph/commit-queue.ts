import type { CommitNode } from '#wire';

/** Where a commit is in the order of a walk. */
export interface Ranked {
  readonly node: CommitNode;
}

/**
 * Commits in the order in which a walk best visits them: each before its ancestors where generation
 * numbers say which those are (corrected commit dates where the graph has them, else levels). Those
 * without a generation number come before all others, the latest first, which is no more than a guess.
 */
export class CommitQueue<Item extends Ranked> {
  readonly #heap: Item[] = [];
  /** What the first commit with a generation has decides for all: a graph has dates for all of its commits, or for none. */
  #hasCorrectedTimes: boolean | undefined;

  get size(): number {
    return this.#heap.length;
  }

  /** The next to be taken. */
  get first(): Item | undefined {
    return this.#heap[0];
  }

  /** Infinite for a commit whose place is not known; else no commit reaches one with the same height or a greater one. */
  height({ generation }: CommitNode): number {
    if (generation === undefined) return Number.POSITIVE_INFINITY;
    this.#hasCorrectedTimes ??= generation.correctedTimeSeconds !== undefined;
    if (!this.#hasCorrectedTimes) return generation.level;
    return generation.correctedTimeSeconds ?? Number.POSITIVE_INFINITY;
  }

  add(item: Item): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const above = (at - 1) >>> 1;
      const parent = heap[above];
      if (parent === undefined || !this.#isBefore(item, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = item;
  }

  take(): Item | undefined {
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
      if (other !== undefined && this.#isBefore(other, child)) {
        child = other;
        below += 1;
      }
      if (!this.#isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return top;
  }

  #isBefore({ node: one }: Item, { node: other }: Item): boolean {
    const [oneHeight, otherHeight] = [this.height(one), this.height(other)];
    if (oneHeight !== otherHeight) return oneHeight > otherHeight;
    return one.committerTimeSeconds > other.committerTimeSeconds;
  }
}
