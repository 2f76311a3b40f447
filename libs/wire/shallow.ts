import { type Oid, PackhorseError } from '#base';
import { hiddenRefs, visibleTips } from './hidden-refs.ts';
import type { PktWriter } from './pkt-writer.ts';
import type { CommitNode, Deepen, RefSnapshot, UploadPackRepository } from './repository.ts';
import { rememberedBoundary } from './shallow-memory.ts';
import { resolveDeepen } from './wants.ts';

/**
 * Where histories are cut off (gitprotocol-pack and gitprotocol-v2, "shallow"). A client names the
 * commits whose parents it lacks; a deepen option moves that boundary.
 */

/** The depth that stands for "everything" (`git fetch --unshallow`). */
export const infiniteDepth = 0x7fff_ffff;

/** A deepen option as the client words it: refs by names that may be short. */
export type RequestedDeepen =
  | Extract<Deepen, { kind: 'depth' }>
  | { readonly kind: 'rev-list'; readonly sinceSeconds?: number; readonly notRefs: readonly string[] };

/** What a client says about shallowness. */
export interface ShallowRequest {
  readonly clientShallows: readonly Oid[];
  readonly deepen: RequestedDeepen | undefined;
}

/** What follows from it. */
export interface ShallowPlan {
  /** True when the client has to be told, even if nothing changes. */
  readonly isAsked: boolean;
  /** Commits that become shallow, to be told as `shallow`. */
  readonly newShallows: readonly Oid[];
  /** Commits that are no longer shallow, to be told as `unshallow`. */
  readonly unshallows: readonly Oid[];
  /** Commits that were and stay shallow. */
  readonly clientShallows: readonly Oid[];
}

/** A history cut off somewhere: its last commits, and those before whose parents are part of it. */
interface Cut {
  readonly boundary: ReadonlySet<Oid>;
  readonly isInside: (oid: Oid) => boolean;
}

/**
 * Compares the boundary that `request` asks for with the one the client has. Throws
 * `invalid_argument`, or `resource_exhausted` past `maxWalkCommits` commits.
 */
export async function planShallow(
  repository: UploadPackRepository,
  snapshot: RefSnapshot,
  wants: readonly Oid[],
  request: ShallowRequest,
  maxWalkCommits: number,
): Promise<ShallowPlan> {
  const known = await existingOf(repository, request.clientShallows);
  const deepen = resolveDeepen(snapshot, request.deepen);
  if (deepen === undefined) {
    return { isAsked: false, newShallows: [], unshallows: [], clientShallows: known };
  }
  const walk = new DepthWalk(repository, maxWalkCommits);
  const cutAnew = (): Promise<Cut> => cutOff(repository, snapshot, walk, wants, known, deepen);
  // Who has nothing yet is cut off where everybody was who wanted the same.
  const cut =
    request.clientShallows.length > 0
      ? await cutAnew()
      : {
          boundary: await rememberedBoundary(
            { snapshot, shallows: await repository.shallows(), wants, deepen },
            async () => (await cutAnew()).boundary,
          ),
          isInside: () => false,
        };
  const had = new Set(known);
  return {
    isAsked: true,
    newShallows: [...cut.boundary].filter((oid) => !had.has(oid)),
    unshallows: known.filter((oid) => cut.isInside(oid)),
    clientShallows: known.filter((oid) => !cut.isInside(oid)),
  };
}

/**
 * The same for protocol v2, where a repository that is shallow itself says so to every client, and
 * a shallow client always gets an answer, if an empty one.
 */
export async function planShallowV2(
  repository: UploadPackRepository,
  snapshot: RefSnapshot,
  wants: readonly Oid[],
  request: ShallowRequest,
  maxWalkCommits: number,
): Promise<ShallowPlan> {
  const isOwn = (await repository.shallows()).size > 0;
  const whole: RequestedDeepen = { kind: 'depth', depth: infiniteDepth, relative: false };
  const deepen = request.deepen ?? (isOwn ? whole : undefined);
  const { clientShallows } = request;
  const plan = await planShallow(repository, snapshot, wants, { clientShallows, deepen }, maxWalkCommits);
  return { ...plan, isAsked: plan.isAsked || plan.clientShallows.length > 0 };
}

/** What the client is told of the plan. */
export async function sendShallowLines(writer: PktWriter, plan: ShallowPlan): Promise<void> {
  for (const oid of plan.newShallows) await writer.line(`shallow ${oid}`);
  for (const oid of plan.unshallows) await writer.line(`unshallow ${oid}`);
}

/** A client may be shallow at commits that were never here. */
async function existingOf(repository: UploadPackRepository, oids: readonly Oid[]): Promise<readonly Oid[]> {
  if (oids.length === 0) return oids;
  const existing = await repository.existing(oids);
  return oids.filter((oid) => existing.has(oid));
}

async function cutOff(
  repository: UploadPackRepository,
  snapshot: RefSnapshot,
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
  const deepened = await shownShallows(repository, snapshot, walk, clientShallows);
  return walk.from(deepened, deepen.depth + 1, ownShallows);
}

/** Those of the client's shallow commits that the refs it was shown lead to. */
async function shownShallows(
  repository: UploadPackRepository,
  snapshot: RefSnapshot,
  walk: DepthWalk,
  clientShallows: readonly Oid[],
): Promise<readonly Oid[]> {
  if (clientShallows.length === 0) return clientShallows;
  const tips = [...visibleTips(snapshot, hiddenRefs(repository.uploadPolicy.hiddenRefs))];
  if (await repository.reachable(clientShallows, tips)) return clientShallows;
  return walk.reachable(tips, clientShallows);
}

/** Commits that are looked up at the same time. */
const concurrentLookups = 32;

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
      // A tip may be a tag; what is cut off is the commit that it leads to.
      const nodes = await this.#nodes([...level]);
      for (const { oid, parents } of nodes) {
        if (distance >= depth || stops.has(oid)) {
          boundary.add(oid);
          continue;
        }
        inside.add(oid);
        for (const parent of parents) if (!inside.has(parent) && !boundary.has(parent)) next.add(parent);
      }
      for (const { oid } of nodes) next.delete(oid);
      level = next;
    }
    return { boundary, isInside: (oid) => inside.has(oid) };
  }

  /** Those of `targets` that can be reached from `tips`. */
  async reachable(tips: readonly Oid[], targets: readonly Oid[]): Promise<readonly Oid[]> {
    const missing = new Set(targets);
    const seen = new Set(tips);
    let level: readonly Oid[] = [...seen];
    for (const oid of level) missing.delete(oid);
    while (missing.size > 0 && level.length > 0) {
      const next: Oid[] = [];
      for (const { oid, parents } of await this.#nodes(level)) {
        missing.delete(oid);
        for (const parent of parents) {
          if (seen.has(parent)) continue;
          seen.add(parent);
          missing.delete(parent);
          next.push(parent);
        }
      }
      level = next;
    }
    return targets.filter((oid) => !missing.has(oid));
  }

  /** Looks up a level of the walk, several commits at a time; what leads to no commit is left out. */
  async #nodes(oids: readonly Oid[]): Promise<readonly CommitNode[]> {
    const found: CommitNode[] = [];
    for (let start = 0; start < oids.length; start += concurrentLookups) {
      const batch = oids.slice(start, start + concurrentLookups);
      const nodes = await Promise.all(batch.map((oid) => this.#node(oid)));
      found.push(...nodes.filter((node) => node !== undefined));
    }
    return found;
  }

  #node(oid: Oid): Promise<CommitNode | undefined> {
    this.#leftCommits -= 1;
    if (this.#leftCommits < 0) {
      throw new PackhorseError('resource_exhausted', 'The history is too long to be cut off at that depth.');
    }
    return this.#repository.commitNode(oid);
  }
}
