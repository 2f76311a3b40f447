import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ObjectFormat, Oid } from '#base';
import type { RawObject } from '../objects/raw.ts';
import { commitLinks, linkKind, tagLink, type TreeLink, treeLinks } from '../quarantine/plain-tree.ts';

/** Where a walk begins to be no cheaper than git's own. */
export interface BeyondLimits {
  readonly maxObjects: number;
  /** Of everything that is read, also to compare with. */
  readonly maxBytes: number;
}

export interface BeyondSource {
  readonly objectFormat: ObjectFormat;
  /** undefined when the object does not exist. */
  readonly read: (oid: Oid) => Promise<RawObject | undefined>;
  /** Those of `oids` that are not in the base, nor in what goes with it; with whatever is there, all that it leads to is there. */
  readonly outside: (oids: readonly Oid[]) => Promise<readonly Oid[]>;
}

/** Tree entries that are looked at in one turn of the event loop. */
const sliceEntries = 10_000;
/** Directories may be nested so deep; git's own limit is 2,048. */
const maxDepth = 512;

/** The entries of a tree that another one is compared with. */
interface OldTree {
  readonly byName: ReadonlyMap<string, TreeLink>;
  readonly oids: ReadonlySet<Oid>;
}

/**
 * Collects what is reachable from some tips beyond a base that has everything it leads to, as git-rev-list
 * `--objects TIPS --not BASE` does, in this process: from the tips to the first objects of the base. What
 * the tree of a parent has is left out without a look, for a parent is in the base or walked itself.
 */
export class BeyondWalk {
  readonly #source: BeyondSource;
  readonly #limits: BeyondLimits;
  readonly #found = new Map<Oid, RawObject>();
  /** Everything that was read. */
  readonly #objects = new Map<Oid, RawObject>();
  readonly #oldTrees = new Map<Oid, OldTree>();
  readonly #blobs = new Set<Oid>();
  #bytes = 0;
  #entries = 0;

  constructor(source: BeyondSource, limits: BeyondLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  /**
   * The objects, those first that clients look at first, and `others` with them, which are outside the base
   * and lead to nothing more. undefined past a limit, and when anything is missing or not as git writes it.
   */
  async collect(tips: readonly Oid[], others: readonly Oid[]): Promise<readonly RawObject[] | undefined> {
    if (others.length > this.#limits.maxObjects) return undefined;
    for (const oid of others) if ((await this.#take(oid)) === undefined) return undefined;
    const queue = [...(await this.#source.outside(tips))];
    for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
      if (this.#found.has(oid)) continue;
      const next = await this.#visit(oid);
      if (next === undefined) return undefined;
      queue.push(...(await this.#source.outside(next)));
    }
    for (const oid of await this.#source.outside([...this.#blobs])) {
      if ((await this.#take(oid))?.kind !== 'blob') return undefined;
    }
    const rank = { commit: 0, tag: 1, tree: 2, blob: 3 } as const;
    return [...this.#found.values()].sort((one, other) => rank[one.kind] - rank[other.kind]);
  }

  /** What is left to be visited behind an object; undefined when the walk ends here. */
  async #visit(oid: Oid): Promise<readonly Oid[] | undefined> {
    const object = await this.#read(oid);
    if (object?.kind === 'tree') return (await this.#tree(oid, [], 0)) ? [] : undefined;
    if (object === undefined || (await this.#take(oid)) === undefined) return undefined;
    const { objectFormat } = this.#source;
    if (object.kind === 'commit') return await this.#commit(object.bytes);
    if (object.kind === 'blob') return [];
    const link = tagLink(object.bytes, objectFormat);
    return link === undefined ? undefined : [link.target];
  }

  async #commit(bytes: Buffer): Promise<readonly Oid[] | undefined> {
    const { objectFormat } = this.#source;
    const links = commitLinks(bytes, objectFormat);
    if (links === undefined) return undefined;
    const before: Oid[] = [];
    for (const oid of links.parents) {
      const parent = await this.#read(oid);
      const tree = parent?.kind === 'commit' ? commitLinks(parent.bytes, objectFormat)?.tree : undefined;
      if (tree === undefined) return undefined;
      before.push(tree);
    }
    return (await this.#tree(links.tree, before, 0)) ? links.parents : undefined;
  }

  /** Takes a tree and what is new below it; `before` are the trees in the same place of the parents. */
  async #tree(oid: Oid, before: readonly Oid[], depth: number): Promise<boolean> {
    if (this.#found.has(oid) || before.includes(oid)) return true;
    if ((await this.#source.outside([oid])).length === 0) return true;
    if (depth > maxDepth) return false;
    const links = await this.#links(oid);
    if (links === undefined || (await this.#take(oid)) === undefined) return false;
    const olds: OldTree[] = [];
    for (const id of before) {
      const old = await this.#oldTree(id);
      if (old === undefined) return false;
      olds.push(old);
    }
    for (const link of links) {
      const kind = linkKind(link.mode);
      if (kind === undefined) return false;
      if (kind === 'submodule' || olds.some(({ oids }) => oids.has(link.oid))) continue;
      if (kind === 'blob') this.#blobs.add(link.oid);
      else if (!(await this.#tree(link.oid, sameName(olds, link), depth + 1))) return false;
    }
    return true;
  }

  async #oldTree(oid: Oid): Promise<OldTree | undefined> {
    const known = this.#oldTrees.get(oid);
    if (known !== undefined) return known;
    const links = await this.#links(oid);
    if (links === undefined) return undefined;
    const old = {
      byName: new Map(links.map((link) => [link.name, link])),
      // A submodule's commit may be anything else's id here.
      oids: new Set(links.filter(({ mode }) => linkKind(mode) !== 'submodule').map(({ oid: id }) => id)),
    };
    this.#oldTrees.set(oid, old);
    return old;
  }

  /** The entries of a tree. The event loop gets its turn after many. */
  async #links(oid: Oid): Promise<readonly TreeLink[] | undefined> {
    const object = await this.#read(oid);
    const links = object?.kind === 'tree' ? treeLinks(object.bytes, this.#source.objectFormat) : undefined;
    this.#entries += links?.length ?? 0;
    if (this.#entries > sliceEntries) {
      this.#entries = 0;
      await nextTurn();
    }
    return links;
  }

  async #take(oid: Oid): Promise<RawObject | undefined> {
    const object = await this.#read(oid);
    if (object === undefined) return undefined;
    this.#found.set(oid, object);
    return this.#found.size > this.#limits.maxObjects ? undefined : object;
  }

  /** undefined past the limit, too. */
  async #read(oid: Oid): Promise<RawObject | undefined> {
    const known = this.#objects.get(oid);
    if (known !== undefined) return known;
    const object = await this.#source.read(oid);
    if (object === undefined) return undefined;
    this.#bytes += object.bytes.length;
    if (this.#bytes > this.#limits.maxBytes) return undefined;
    this.#objects.set(oid, object);
    return object;
  }
}

function sameName(olds: readonly OldTree[], { name, mode }: TreeLink): readonly Oid[] {
  return olds.flatMap(({ byName }) => {
    const old = byName.get(name);
    return old?.mode === mode ? [old.oid] : [];
  });
}
