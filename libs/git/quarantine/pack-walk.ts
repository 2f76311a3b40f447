import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ObjectFormat, Oid } from '#base';
import type { ObjectReader } from '../object-reader.ts';
import type { RawObject } from '../objects/raw.ts';
import type { ObjectKind } from '../reader.ts';
import { commitLinks, linkKind, tagLink, type TreeLink, treeLinks } from './plain-tree.ts';
import { isPlainlyWellFormed, isPlainSpecial, isSpecialName } from './well-formed.ts';

/** What a walk takes for granted about objects that are in the repository already. */
export interface WalkRules {
  readonly objectFormat: ObjectFormat;
  readonly objects: ObjectReader;
  /** Existing is enough, because whatever exists is complete; else an object counts once a ref names it. */
  readonly trustsExisting: boolean;
  /** Objects must be such that git-fsck has nothing to say about them. */
  readonly wellFormed: boolean;
  /** What the repository has was well-formed when it came in. */
  readonly trustsContents: boolean;
  /** Whether a ref names this object: then everything below it is there. */
  readonly isTip: (oid: Oid) => boolean;
}

/** Tree entries looked at in one walk; past this git's own walk is not slower. */
const maxEntries = 400_000;
const sliceEntries = 10_000;
/** Directories may be nested so deep; git's own limit is 2,048. */
const maxDepth = 512;

/** The entries of a tree that a new one is compared with. */
interface OldTree {
  readonly byName: ReadonlyMap<string, TreeLink>;
  /** Kind and id of all entries. */
  readonly known: ReadonlySet<string>;
}

/**
 * Follows the links of new objects until they end in what the repository is known to have, as
 * git-rev-list `--objects NEW --not --all` does: what a parent's tree has already is known without a
 * look. Answers are "certain" or "not certain": the latter is for git to decide.
 */
export class PackWalk {
  readonly #pack: ReadonlyMap<Oid, RawObject>;
  readonly #rules: WalkRules;
  readonly #done = new Set<Oid>();
  readonly #oldTrees = new Map<Oid, OldTree | undefined>();
  /** Blobs outside the pack that are yet to be asked for. */
  readonly #blobs = new Set<Oid>();
  #entries = 0;
  #sliced = 0;

  constructor(pack: ReadonlyMap<Oid, RawObject>, rules: WalkRules) {
    this.#pack = pack;
    this.#rules = rules;
  }

  /** True when everything that can be reached from `tips` is certainly there. */
  async reaches(tips: Iterable<Oid>): Promise<boolean> {
    const queue: Oid[] = [...tips];
    for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
      if (this.#done.has(oid)) continue;
      this.#done.add(oid);
      const next = await this.#visit(oid);
      if (next === undefined) return false;
      queue.push(...next);
    }
    return await this.#haveBlobs();
  }

  /** What is left to be visited behind an object; undefined when something is not certain. */
  async #visit(oid: Oid): Promise<readonly Oid[] | undefined> {
    const object = this.#pack.get(oid);
    if (object === undefined) return (await this.#isThere(oid)) ? [] : undefined;
    const { objectFormat, wellFormed } = this.#rules;
    if (wellFormed && !isPlainlyWellFormed(object, objectFormat)) return undefined;
    if (object.kind === 'commit') return await this.#commit(object.bytes);
    if (object.kind === 'tree') {
      this.#done.delete(oid);
      return (await this.#tree(oid, [], 0)) ? [] : undefined;
    }
    if (object.kind === 'blob') return [];
    const link = tagLink(object.bytes, objectFormat);
    if (link === undefined || (await this.#kindOf(link.target)) !== link.kind) return undefined;
    return [link.target];
  }

  async #isThere(oid: Oid): Promise<boolean> {
    const { isTip, trustsExisting, objects } = this.#rules;
    return isTip(oid) || (trustsExisting && (await objects.existing([oid])).has(oid));
  }

  async #kindOf(oid: Oid): Promise<ObjectKind | undefined> {
    return this.#pack.get(oid)?.kind ?? (await this.#rules.objects.header(oid))?.kind;
  }

  async #commit(bytes: Buffer): Promise<readonly Oid[] | undefined> {
    const { objectFormat, objects } = this.#rules;
    const links = commitLinks(bytes, objectFormat);
    if (links === undefined) return undefined;
    const before: Oid[] = [];
    for (const oid of links.parents) {
      const parent = this.#pack.get(oid) ?? (await objects.read(oid));
      if (parent?.kind !== 'commit') return undefined;
      const tree = commitLinks(parent.bytes, objectFormat)?.tree;
      // A parent outside the pack is checked when its turn comes, and so is one inside.
      if (tree !== undefined) before.push(tree);
    }
    return (await this.#tree(links.tree, before, 0)) ? links.parents : undefined;
  }

  /** Whether a tree and all below it are there; `before` are the trees in the same place of the parents. */
  async #tree(oid: Oid, before: readonly Oid[], depth: number): Promise<boolean> {
    if (this.#done.has(oid) || before.includes(oid)) return true;
    if (depth > maxDepth) return false;
    const { objectFormat, objects, trustsExisting, wellFormed } = this.#rules;
    const isNew = this.#pack.has(oid);
    if (!isNew && trustsExisting) return (await objects.header(oid))?.kind === 'tree';
    const object = this.#pack.get(oid) ?? (await objects.read(oid));
    if (object?.kind !== 'tree' || (wellFormed && !isPlainlyWellFormed(object, objectFormat))) return false;
    const links = treeLinks(object.bytes, objectFormat);
    if (links === undefined || !(await this.#spend(links.length))) return false;
    this.#done.add(oid);
    const olds: OldTree[] = [];
    for (const id of before) {
      const old = await this.#oldTree(id);
      if (old !== undefined) olds.push(old);
    }
    for (const link of links) if (!(await this.#entry(link, olds, depth))) return false;
    return true;
  }

  async #entry(link: TreeLink, olds: readonly OldTree[], depth: number): Promise<boolean> {
    const { mode, name, oid } = link;
    const kind = linkKind(mode);
    if (kind === undefined || !this.#isPlain(link, olds)) return false;
    if (kind === 'submodule' || olds.some(({ known }) => known.has(`${kind} ${oid}`))) return true;
    if (kind === 'tree') {
      const below = olds.map(({ byName }) => byName.get(name)).filter((old) => old?.mode === mode);
      return await this.#tree(
        oid,
        below.flatMap((old) => (old === undefined ? [] : [old.oid])),
        depth + 1,
      );
    }
    const object = this.#pack.get(oid);
    if (object === undefined) this.#blobs.add(oid);
    return object === undefined || object.kind === 'blob';
  }

  /** Whether fsck has nothing to say about what is called `.gitmodules` and the like. */
  #isPlain({ mode, name, oid }: TreeLink, olds: readonly OldTree[]): boolean {
    const { wellFormed, trustsContents } = this.#rules;
    if (!wellFormed || !isSpecialName(name)) return true;
    const wasHere = olds.some(({ byName }) => {
      const old = byName.get(name);
      return old?.oid === oid && old.mode === mode;
    });
    if (wasHere && trustsContents) return true;
    return isPlainSpecial(name, mode, this.#pack.get(oid)?.bytes);
  }

  async #oldTree(oid: Oid): Promise<OldTree | undefined> {
    if (this.#oldTrees.has(oid)) return this.#oldTrees.get(oid);
    const object = this.#pack.get(oid) ?? (await this.#rules.objects.read(oid));
    const links = object?.kind === 'tree' ? treeLinks(object.bytes, this.#rules.objectFormat) : undefined;
    const usable = links !== undefined && (await this.#spend(links.length)) ? links : undefined;
    const old = usable && {
      byName: new Map(usable.map((link) => [link.name, link])),
      known: new Set(usable.map(({ mode, oid: id }) => `${linkKind(mode) ?? mode} ${id}`)),
    };
    this.#oldTrees.set(oid, old);
    return old;
  }

  /** False past the limit. The event loop gets its turn in between. */
  async #spend(entries: number): Promise<boolean> {
    this.#entries += entries;
    if (this.#entries - this.#sliced > sliceEntries) {
      this.#sliced = this.#entries;
      await nextTurn();
    }
    return this.#entries <= maxEntries;
  }

  async #haveBlobs(): Promise<boolean> {
    const { objects, wellFormed } = this.#rules;
    const asked = [...this.#blobs];
    this.#blobs.clear();
    if (asked.length === 0) return true;
    // As in git, only fsck looks at the kind.
    if (!wellFormed) return (await objects.existing(asked)).size === asked.length;
    for (const oid of asked) if ((await objects.header(oid))?.kind !== 'blob') return false;
    return true;
  }
}
