import { type Oid, PackhorseError } from '#base';
import type { Deepen, UploadPackRepository } from './repository.ts';

/**
 * Where histories are cut off (gitprotocol-pack and gitprotocol-v2, "shallow"). A client names the
 * commits whose parents it lacks; a deepen option moves that boundary.
 */

/** The depth that stands for "everything" (`git fetch --unshallow`). */
export const infiniteDepth = 0x7fff_ffff;

/** What a client says about shallowness. */
export interface ShallowRequest {
  readonly clientShallows: readonly Oid[];
  readonly deepen: Deepen | undefined;
}

/** What follows from it. */
export interface ShallowAnswer {
  /** Commits that become shallow, to be told as `shallow`. */
  readonly newShallows: readonly Oid[];
  /** Commits that are no longer shallow, to be told as `unshallow`. */
  readonly unshallows: readonly Oid[];
}

const noChange: ShallowAnswer = { newShallows: [], unshallows: [] };

/** A history cut off somewhere: its last commits, and those before whose parents are part of it. */
interface Cut {
  readonly boundary: ReadonlySet<Oid>;
  readonly isInside: (oid: Oid) => boolean;
}

/** The boundary that `request` asks for, compared with the one the client has. Throws `invalid_argument`. */
export async function answerShallow(
  repository: UploadPackRepository,
  wants: readonly Oid[],
  request: ShallowRequest,
  maxWalkCommits: number,
): Promise<ShallowAnswer> {
  const { deepen, clientShallows } = request;
  if (deepen === undefined) return noChange;
  const walker = new DepthWalk(repository, maxWalkCommits);
  const cut = await cutOff(repository, walker, wants, clientShallows, deepen);
  const had = new Set(clientShallows);
  return {
    newShallows: [...cut.boundary].filter((oid) => !had.has(oid)),
    unshallows: clientShallows.filter((oid) => cut.isInside(oid)),
  };
}

/** What a client has to be told of a repository that is shallow itself and is not asked to deepen. */
export async function serverShallows(
  repository: UploadPackRepository,
  wants: readonly Oid[],
  clientShallows: readonly Oid[],
  maxWalkCommits: number,
): Promise<ShallowAnswer> {
  const deepen: Deepen = { kind: 'depth', depth: infiniteDepth, relative: false };
  return answerShallow(repository, wants, { clientShallows, deepen }, maxWalkCommits);
}

async function cutOff(
  repository: UploadPackRepository,
  walk: DepthWalk,
  wants: readonly Oid[],
  clientShallows: readonly Oid[],
  deepen: Deepen,
): Promise<Cut> {
  const ownShallows = await repository.shallows();
  if (deepen.kind === 'rev-list') {
    const boundary = new Set(await repository.shallowBoundary(wants, deepen));
    if (clientShallows.length === 0) return { boundary, isInside: () => false };
    const inside = await walk.from(wants, infiniteDepth, boundary);
    return { boundary, isInside: inside.isInside };
  }
  if (deepen.depth >= infiniteDepth && ownShallows.size === 0) {
    return { boundary: new Set(), isInside: () => true };
  }
  if (!deepen.relative) return walk.from(wants, deepen.depth, ownShallows);
  const reachable = await walk.reachable(wants, clientShallows);
  return walk.from(reachable, deepen.depth + 1, ownShallows);
}

/** Breadth-first walks over commits, bounded in what they may look at. */
class DepthWalk {
  readonly #repository: UploadPackRepository;
  #leftCommits: number;

  constructor(repository: UploadPackRepository, maxCommits: number) {
    this.#repository = repository;
    this.#leftCommits = maxCommits;
  }

  /** Cuts the history of `tips` at `depth` commits (a tip counts as the first), and at `stops`. */
  async from(tips: readonly Oid[], depth: number, stops: ReadonlySet<Oid>): Promise<Cut> {
    const boundary = new Set<Oid>();
    const inside = new Set<Oid>();
    let level = new Set(tips);
    for (let distance = 1; level.size > 0; distance += 1) {
      const next = new Set<Oid>();
      for (const oid of level) {
        const parents = await this.#parents(oid);
        if (parents === undefined) continue;
        if (distance >= depth || stops.has(oid)) {
          boundary.add(oid);
          continue;
        }
        inside.add(oid);
        for (const parent of parents) if (!inside.has(parent) && !boundary.has(parent)) next.add(parent);
      }
      for (const oid of level) next.delete(oid);
      level = next;
    }
    return { boundary, isInside: (oid) => inside.has(oid) };
  }

  /** Those of `targets` that can be reached from `tips`. */
  async reachable(tips: readonly Oid[], targets: readonly Oid[]): Promise<readonly Oid[]> {
    const missing = new Set(targets);
    const seen = new Set(tips);
    // A Set is walked in insertion order and sees what is added meanwhile: it is the queue itself.
    for (const oid of seen) {
      if (missing.size === 0) break;
      missing.delete(oid);
      for (const parent of (await this.#parents(oid)) ?? []) seen.add(parent);
    }
    return targets.filter((oid) => !missing.has(oid));
  }

  async #parents(oid: Oid): Promise<readonly Oid[] | undefined> {
    this.#leftCommits -= 1;
    if (this.#leftCommits < 0) {
      throw new PackhorseError('resource_exhausted', 'The history is too long to be cut off at that depth.');
    }
    return (await this.#repository.commitNode(oid))?.parents;
  }
}
