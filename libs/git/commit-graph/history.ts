import type { ObjectFormat, Oid } from '#base';
import type { CommitNode, RefSnapshot } from '#wire';
import type { ObjectReader } from '../object-reader.ts';
import { isReachable } from '../packs/reachability.ts';
import type { ShallowFile } from '../shallow-file.ts';
import type { Storage } from '../storage.ts';
import type { CommitGraph } from './commit-graph.ts';
import { GraphReader } from './graph-reader.ts';
import { reachesAll } from './reaches.ts';
import type { FindCommit } from './relation.ts';

export interface HistoryOptions {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly objects: ObjectReader;
  readonly shallow: ShallowFile;
  readonly refs: () => Promise<RefSnapshot>;
}

/** The history of one repository: commits from the commit-graph where it has them, else from their objects. */
export class CommitHistory {
  readonly #storage: Storage;
  readonly #options: HistoryOptions;
  readonly #graph: GraphReader;

  constructor(storage: Storage, options: HistoryOptions) {
    this.#storage = storage;
    this.#options = options;
    this.#graph = new GraphReader(storage, options.gitDir, options.objectFormat);
  }

  /** Answers as the repository is now, for as long as one request takes: the disk is asked about the graph once. */
  view(): (oid: Oid) => Promise<CommitNode | undefined> {
    let graph: Promise<CommitGraph | undefined> | undefined;
    return async (oid) => await this.#node(oid, await (graph ??= this.#graph.current()));
  }

  /** The same, for a walk: what the graph has comes at once, and `objects` reads the rest. */
  async walkable(objects: ObjectReader = this.#options.objects): Promise<FindCommit> {
    const graph = await this.#graph.current();
    return (oid) => graph?.node(oid) ?? this.#node(oid, undefined, objects);
  }

  /** One commit, as the repository is now; a tag is peeled. */
  async node(oid: Oid): Promise<CommitNode | undefined> {
    return await this.#node(oid, await this.#graph.current());
  }

  /** Where the repository itself is shallow, history ends. */
  async #node(
    oid: Oid,
    graph: CommitGraph | undefined,
    objects = this.#options.objects,
  ): Promise<CommitNode | undefined> {
    // There is no graph where the repository is shallow.
    const known = graph?.node(oid);
    if (known !== undefined) return known;
    const [node, shallows] = await Promise.all([objects.commitNode(oid), this.#options.shallow.commits()]);
    return node !== undefined && shallows.has(node.oid) ? { ...node, parents: [] } : node;
  }

  /** True when every commit of `oids` is an ancestor of some of `tips`. */
  async isReachable(oids: readonly Oid[], tips: readonly Oid[]): Promise<boolean> {
    const graph = await this.#graph.current();
    if (graph !== undefined) {
      const nodeOf: FindCommit = (oid) => graph.node(oid) ?? this.#node(oid, undefined);
      const { maxReachabilityCommits } = this.#storage.settings;
      const found = await reachesAll(nodeOf, tips, oids, maxReachabilityCommits);
      if (found !== undefined) return found;
    }
    return await isReachable(this.#storage, this.#options.gitDir, oids, tips);
  }

  /** How many commits are in the commit-graph, and how many that refs reach are not: `max` when at least so many. */
  async graphCoverage(max: number): Promise<{ readonly inside: number; readonly outside: number }> {
    const graph = await this.#graph.current();
    const waiting = (await this.#options.refs()).refs.map(({ oid, peeled }) => peeled ?? oid);
    const outside = new Set<Oid>();
    for (let oid = waiting.pop(); oid !== undefined && outside.size < max; oid = waiting.pop()) {
      if (outside.has(oid) || graph?.has(oid) === true) continue;
      const node = await this.#node(oid, undefined);
      if (node === undefined) continue;
      outside.add(oid);
      waiting.push(...node.parents);
    }
    return { inside: graph?.commits ?? 0, outside: outside.size };
  }

  /** Gives memory back; the next question reads again. */
  forget(): void {
    this.#graph.forget();
  }
}
