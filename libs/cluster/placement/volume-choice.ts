import HashRing from 'hashring';
import type { Member } from '../membership/membership.ts';

/** A volume that new repositories and new copies may go to. */
export interface Candidate {
  readonly volumeId: string;
  readonly node: string;
  readonly region: string;
  readonly freeBytes: number;
}

/** What is wanted for a repository. */
export interface Wish {
  readonly repositoryId: string;
  readonly region: string;
  /** Copies in all: the primary's and its replicas'. */
  readonly copies: number;
  /** Where replicas go when the region has not enough nodes for them, in this order; then anywhere. */
  readonly replicaRegions: readonly string[];
}

export interface Choice {
  readonly volumeId: string;
  readonly replicas: readonly string[];
}

/** Weights go from 1 to this. Whole steps, so that a volume which fills up a little moves nothing. */
const maxWeight = 16;

/** What may be chosen: volumes of nodes that live and are not drained, with more than `reserveBytes` free. */
export function candidatesOf(nodes: readonly Member[], reserveBytes: number): readonly Candidate[] {
  return nodes.flatMap(({ name, region, isAlive, isDraining, volumes }) =>
    isAlive && !isDraining
      ? volumes
          .filter(({ freeBytes }) => freeBytes > reserveBytes)
          .map(({ id, freeBytes }) => ({ volumeId: id, node: name, region, freeBytes }))
      : [],
  );
}

/**
 * Chooses volumes for new repositories by weighted hashing: each region is a ring on which a volume
 * has the more points the more is free on it, and the repository's id says where to begin. The same
 * nodes and the same id give the same choice, on every node.
 */
export class VolumeRings {
  readonly #candidates: ReadonlyMap<string, Candidate>;
  readonly #rings = new Map<string, HashRing | undefined>();

  constructor(candidates: readonly Candidate[]) {
    this.#candidates = new Map(candidates.map((candidate) => [candidate.volumeId, candidate]));
  }

  /**
   * The primary's volume and those of replicas, each on a node of its own; fewer replicas than wished
   * for where there are not enough nodes. Undefined when there is no volume at all. A region without
   * one is replaced by the first of `replicaRegions` that has one, or else by any.
   */
  choose({ repositoryId, region, copies, replicaRegions }: Wish): Choice | undefined {
    const chosen: Candidate[] = [];
    for (const ring of [region, ...replicaRegions, undefined]) {
      if (chosen.length >= copies) break;
      // On the way round the ring, nodes may come more than once with several volumes.
      for (const candidate of this.#inOrder(ring, repositoryId, copies)) {
        if (chosen.length >= copies) break;
        if (!chosen.some(({ node }) => node === candidate.node)) chosen.push(candidate);
      }
    }
    const [primary, ...replicas] = chosen.map(({ volumeId }) => volumeId);
    return primary === undefined ? undefined : { volumeId: primary, replicas };
  }

  /** The volumes of a region (undefined: of all) as they follow each other from the key's place on. */
  *#inOrder(region: string | undefined, key: string, wanted: number): Iterable<Candidate> {
    const ring = this.#ring(region);
    if (ring === undefined) return;
    const first = ring.get(key);
    const nearest = first === undefined ? undefined : this.#candidates.get(first);
    if (nearest === undefined) return;
    yield nearest;
    if (wanted === 1) return;
    // A short way round the ring is enough nearly always; the whole of it is long.
    const seen = new Set([first]);
    for (const length of [2 * wanted, this.#candidates.size]) {
      for (const volumeId of ring.range(key, length, true)) {
        const candidate = this.#candidates.get(volumeId);
        if (candidate === undefined || seen.has(volumeId)) continue;
        seen.add(volumeId);
        yield candidate;
      }
    }
  }

  #ring(region: string | undefined): HashRing | undefined {
    const key = region ?? '';
    if (!this.#rings.has(key)) this.#rings.set(key, ringOf(this.#of(region)));
    return this.#rings.get(key);
  }

  #of(region: string | undefined): readonly Candidate[] {
    const all = [...this.#candidates.values()];
    return region === undefined ? all : all.filter((candidate) => candidate.region === region);
  }
}

function ringOf(candidates: readonly Candidate[]): HashRing | undefined {
  const most = Math.max(...candidates.map(({ freeBytes }) => freeBytes));
  if (candidates.length === 0) return undefined;
  const servers = candidates.map(({ volumeId, freeBytes }) => [
    volumeId,
    { weight: Math.max(1, Math.round((maxWeight * freeBytes) / most)) },
  ]);
  // Its own cache would keep thousands of ids that are asked for once.
  return new HashRing(Object.fromEntries(servers), 'md5', { 'max cache size': 1 });
}
