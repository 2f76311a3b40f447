import type { Oid } from '#base';
import type { CommitNode, UploadPackRepository } from './repository.ts';

/**
 * Which objects both sides have, and whether that is enough (gitprotocol-pack, "Packfile
 * Negotiation"): the server is ready when every want reaches something common.
 */
export class Negotiation {
  readonly #repository: UploadPackRepository;
  readonly #wants: readonly Oid[];
  readonly #maxWalkCommits: number;
  readonly #common = new Set<Oid>();
  /** Common objects and the parents of common commits, which the client has as well. */
  readonly #theyHave = new Set<Oid>();
  readonly #nodes = new Map<Oid, CommitNode | undefined>();
  /** Commits known to reach something common; that never changes back. */
  readonly #reaching = new Set<Oid>();
  #oldestHaveSeconds = Number.POSITIVE_INFINITY;
  /** The lowest generation numbers of what both have; what has none is higher than all that have. */
  #lowestLevel = Number.POSITIVE_INFINITY;
  #lowestCorrectedSeconds = Number.POSITIVE_INFINITY;
  #isReady: boolean | undefined = false;

  constructor(repository: UploadPackRepository, wants: readonly Oid[], maxWalkCommits: number) {
    this.#repository = repository;
    this.#wants = wants;
    this.#maxWalkCommits = maxWalkCommits;
  }

  /** Everything common so far, in the order in which it was found. */
  get common(): readonly Oid[] {
    return [...this.#common];
  }

  /** Takes note of `haves` and returns those that exist here. */
  async add(haves: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    const existing = await this.existing(haves);
    for (const oid of haves) if (existing.has(oid)) await this.note(oid);
    return existing;
  }

  /** Those of `haves` that exist here. */
  existing(haves: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    return this.#repository.existing(haves);
  }

  /** Takes note of an object that exists here as common. */
  async note(oid: Oid): Promise<void> {
    if (this.#common.has(oid)) return;
    this.#common.add(oid);
    this.#theyHave.add(oid);
    this.#isReady = undefined;
    const node = await this.#node(oid);
    if (node === undefined) return;
    this.#oldestHaveSeconds = Math.min(this.#oldestHaveSeconds, node.committerTimeSeconds);
    const { level, correctedTimeSeconds } = node.generation ?? {};
    if (level !== undefined) {
      this.#lowestLevel = Math.min(this.#lowestLevel, level);
      this.#lowestCorrectedSeconds = Math.min(
        this.#lowestCorrectedSeconds,
        correctedTimeSeconds ?? Number.NEGATIVE_INFINITY,
      );
    }
    for (const parent of node.parents) this.#theyHave.add(parent);
  }

  /** True when every want reaches something common; false also when that takes too long to find out. */
  async isReady(): Promise<boolean> {
    this.#isReady ??= await this.#everyWantReaches();
    return this.#isReady;
  }

  async #everyWantReaches(): Promise<boolean> {
    const exhausted = new Set<Oid>();
    for (const want of this.#wants) {
      if (!(await this.#reaches(want, exhausted))) return false;
    }
    return true;
  }

  /**
   * Depth first along first parents, as the way back to what a client has is nearly always short;
   * except for the want itself, commits that cannot lead to a have are not followed.
   */
  async #reaches(want: Oid, exhausted: Set<Oid>): Promise<boolean> {
    if (this.#isGoal(want)) return true;
    // Trees and blobs say nothing about history and hold nobody up.
    const wanted = await this.#node(want);
    if (wanted === undefined) return this.#nodes.size < this.#maxWalkCommits;
    if (this.#isGoal(wanted.oid)) return true;
    const path: { readonly oid: Oid; readonly parents: readonly Oid[]; next: number }[] = [];
    const visit = async (oid: Oid): Promise<void> => {
      exhausted.add(oid);
      const node = await this.#node(oid);
      const isFollowed = node !== undefined && (oid === want || this.#mayReachHaves(node));
      path.push({ oid, parents: isFollowed ? node.parents : [], next: 0 });
    };
    await visit(want);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const parent = top.parents[top.next];
      top.next += 1;
      if (parent === undefined) path.pop();
      else if (this.#isGoal(parent)) {
        for (const step of path) this.#reaching.add(step.oid);
        return true;
      } else if (!exhausted.has(parent)) await visit(parent);
    }
    return false;
  }

  /** By generation numbers for certain; without them by time, as git does, which a wrong clock misleads. */
  #mayReachHaves({ generation, committerTimeSeconds }: CommitNode): boolean {
    if (generation === undefined) return committerTimeSeconds >= this.#oldestHaveSeconds;
    const { level, correctedTimeSeconds = Number.POSITIVE_INFINITY } = generation;
    return level > this.#lowestLevel && correctedTimeSeconds > this.#lowestCorrectedSeconds;
  }

  #isGoal(oid: Oid): boolean {
    return this.#theyHave.has(oid) || this.#reaching.has(oid);
  }

  /** undefined past the limit, too: the walk then finds no way on and the negotiation continues. */
  async #node(oid: Oid): Promise<CommitNode | undefined> {
    const known = this.#nodes.get(oid);
    if (known !== undefined || this.#nodes.has(oid)) return known;
    if (this.#nodes.size >= this.#maxWalkCommits) return undefined;
    const node = await this.#repository.commitNode(oid);
    this.#nodes.set(oid, node);
    return node;
  }
}
