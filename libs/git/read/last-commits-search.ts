import type { Oid } from '#base';
import { findLine, kindOfMode, type TreeLine } from '../objects/tree-object.ts';
import type { CommitFields } from '../reader.ts';
import type { ReadContext } from './context.ts';
import { firstParentLog, type FirstParentStep } from './first-parent-log.ts';
import { pathSegments } from './path.ts';
import { listDirectory, rawPath } from './trees.ts';

/** Entries that are looked for below a commit that has them all as they are now. */
interface Branch {
  readonly commit: CommitFields;
  readonly names: Set<string>;
}

/**
 * Finds for each entry of a directory the commit that `git log -1 -- entry` names: going back from a
 * commit, an entry follows the first parent that has it as it is; where no parent has it, that
 * commit changed it. git walks the first parents, which is nearly all of the way; where a merge
 * brought an entry in, the few commits on its other side are walked here.
 */
export class LastCommitsSearch {
  /** What is found so far, in no order. */
  readonly found = new Map<string, Oid>();
  readonly #context: ReadContext;
  readonly #commit: CommitFields;
  readonly #path: string;
  #wanted: ReadonlyMap<string, Pick<TreeLine, 'oid' | 'mode'>> = new Map();
  readonly #pending = new Set<string>();
  #newestChange: Oid | undefined;

  constructor(context: ReadContext, commit: CommitFields, path: string) {
    this.#context = context;
    this.#commit = commit;
    this.#path = path;
  }

  /** Runs to the end, or until `stop` says so. True when everything was found. */
  async run(stop: () => boolean): Promise<boolean> {
    const { objects } = this.#context;
    const entries = await listDirectory(this.#context, this.#commit.treeOid, this.#path);
    this.#wanted = new Map(entries.map((entry) => [entry.name, entry]));
    for (const name of this.#wanted.keys()) this.#pending.add(name);
    const raw = await rawPath(this.#context, this.#commit.treeOid, this.#path);
    for await (const step of firstParentLog(this.#context, this.#commit.oid, raw)) {
      this.#newestChange ??= step.oid;
      this.#adopt(objects.cache.get('lastCommits', `${step.oid} ${this.#path}`));
      if (this.#pending.size === 0 || stop()) break;
      await this.#step(step, stop);
      if (this.#pending.size === 0 || stop()) break;
    }
    const done = this.#pending.size === 0;
    // Commits above the newest change have the directory as it is there, and so the same answer.
    if (done && this.#newestChange !== undefined) {
      objects.cache.set('lastCommits', `${this.#newestChange} ${this.#path}`, this.found);
    }
    return done;
  }

  /** An earlier search from a commit on the way has found the rest. */
  #adopt(earlier: ReadonlyMap<string, Oid> | undefined): void {
    if (earlier === undefined) return;
    for (const name of this.#pending) {
      const oid = earlier.get(name);
      if (oid !== undefined) this.#settle(name, oid);
    }
  }

  #settle(name: string, oid: Oid): void {
    this.found.set(name, oid);
    this.#pending.delete(name);
  }

  async #step(step: FirstParentStep, stop: () => boolean): Promise<void> {
    const changed = new Set([...step.changed].filter((name) => this.#pending.has(name)));
    if (changed.size === 0) return;
    const branches = new Map<Oid, Branch>();
    await this.#passOn(step.parents.slice(1), changed, branches);
    for (const name of changed) this.#settle(name, step.oid);
    if (branches.size > 0) await this.#walk(branches, stop);
  }

  /** Moves each of `names` to the first of `parents` that has it as it is; what stays was changed here. */
  async #passOn(parents: readonly Oid[], names: Set<string>, branches: Map<Oid, Branch>): Promise<void> {
    for (const parent of parents) {
      if (names.size === 0) return;
      const commit = await this.#context.objects.findCommit(parent);
      const directory = commit === undefined ? undefined : await this.#linesIn(commit, names);
      if (commit === undefined || directory === undefined) continue;
      for (const name of names) {
        if (!this.#isAsWanted(name, directory.get(name))) continue;
        names.delete(name);
        const branch = branches.get(parent);
        if (branch === undefined) branches.set(parent, { commit, names: new Set([name]) });
        else branch.names.add(name);
      }
    }
  }

  #isAsWanted(name: string, line: TreeLine | undefined): boolean {
    const wanted = this.#wanted.get(name);
    return line !== undefined && wanted !== undefined && line.oid === wanted.oid && line.mode === wanted.mode;
  }

  /** From merged commits back, newest first, until every entry's commit is found. */
  async #walk(branches: Map<Oid, Branch>, stop: () => boolean): Promise<void> {
    while (branches.size > 0 && !stop()) {
      const { commit, names } = newest(branches.values());
      branches.delete(commit.oid);
      await this.#passOn(commit.parents, names, branches);
      for (const name of names) this.#settle(name, commit.oid);
    }
  }

  /** Those of `names` that the directory has in a commit; undefined when there is no such directory. */
  async #linesIn(
    commit: CommitFields,
    names: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, TreeLine> | undefined> {
    const { objects } = this.#context;
    let at = commit.treeOid;
    for (const segment of pathSegments(this.#path)) {
      const line = findLine((await objects.findTreeLines(at, new Set([segment]))) ?? [], segment);
      if (line === undefined || kindOfMode(line.mode) !== 'tree') return undefined;
      at = line.oid;
    }
    const lines = await objects.findTreeLines(at, names);
    return lines === undefined ? undefined : new Map(lines.map((line) => [line.name, line]));
  }
}

function newest(branches: Iterable<Branch>): Branch {
  let found: Branch | undefined;
  for (const branch of branches) {
    if (found === undefined || branch.commit.committer.timestampMs > found.commit.committer.timestampMs) {
      found = branch;
    }
  }
  if (found === undefined) throw new RangeError('There is no branch to walk.');
  return found;
}
