import { hasCode, type Oid } from '#base';
import type { CommitNode } from '#wire';
import type { GraphLayer } from './graph-layer.ts';

/**
 * Layers of a commit-graph on top of each other (gitformat-commit-graph, "Chains"): which commits
 * it knows, with parents and generation numbers, without reading an object. Whoever is in it has
 * all ancestors in it, too.
 */
export class CommitGraph {
  /** The lowest first. */
  readonly layers: readonly GraphLayer[];
  readonly commits: number;
  readonly #starts: readonly number[];
  /** Corrected times count only where every layer has them. */
  readonly #hasCorrectedTimes: boolean;

  constructor(layers: readonly GraphLayer[]) {
    this.layers = layers;
    let commits = 0;
    this.#starts = layers.map((layer) => {
      const start = commits;
      commits += layer.commits;
      return start;
    });
    this.commits = commits;
    this.#hasCorrectedTimes = layers.every((layer) => layer.hasCorrectedTimes);
  }

  has(oid: Oid): boolean {
    const id = Buffer.from(oid, 'hex');
    return this.layers.some((layer) => layer.find(id) !== undefined);
  }

  /** The commit `oid`; undefined when it is not in the graph, or damaged there: then its object has to be asked. */
  node(oid: Oid): CommitNode | undefined {
    try {
      return this.#node(oid);
    } catch (error) {
      if (hasCode(error, 'data_loss')) return undefined;
      throw error;
    }
  }

  #node(oid: Oid): CommitNode | undefined {
    const id = Buffer.from(oid, 'hex');
    for (const layer of this.layers) {
      const index = layer.find(id);
      if (index === undefined) continue;
      const entry = layer.entry(index);
      const parents: Oid[] = [];
      for (const position of entry.parentPositions) {
        const parent = this.#oidAt(position);
        // Damage.
        if (parent === undefined) return undefined;
        parents.push(parent);
      }
      const { level, correctedTimeSeconds } = entry;
      return {
        oid,
        parents,
        committerTimeSeconds: entry.committerTimeSeconds,
        ...(level !== undefined && {
          generation: {
            level,
            ...(this.#hasCorrectedTimes && correctedTimeSeconds !== undefined && { correctedTimeSeconds }),
          },
        }),
      };
    }
    return undefined;
  }

  #oidAt(position: number): Oid | undefined {
    for (let at = this.layers.length - 1; at >= 0; at -= 1) {
      const start = this.#starts[at] ?? 0;
      const layer = this.layers[at];
      if (layer === undefined || position < start) continue;
      return position - start < layer.commits ? layer.oidAt(position - start) : undefined;
    }
    return undefined;
  }
}
