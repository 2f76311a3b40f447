import type { Oid } from '#base';
import type { Head, Ref, RefSnapshot } from '#wire';
import { compareRefNames } from './ref-name.ts';

/** What becomes of refs from one snapshot to the next: a new value, or undefined for a deletion. */
export type RefChanges = ReadonlyMap<string, Ref | undefined>;

/**
 * Which refs ever named an object. Shared by all snapshots of a repository and only added to: every
 * hit is checked against the snapshot that asks, so an entry that is out of date does no harm.
 */
class ObjectNames {
  readonly #names = new Map<Oid, string | string[]>();
  #entries = 0;

  constructor(refs: readonly Ref[]) {
    for (const ref of refs) this.add(ref);
  }

  get entries(): number {
    return this.#entries;
  }

  add(ref: Ref): void {
    this.#put(ref.oid, ref.name);
    if (ref.peeled !== undefined) this.#put(ref.peeled, ref.name);
  }

  #put(oid: Oid, name: string): void {
    this.#entries += 1;
    const names = this.#names.get(oid);
    if (names === undefined) this.#names.set(oid, name);
    else if (typeof names === 'string') this.#names.set(oid, [names, name]);
    else names.push(name);
  }

  namesOf(oid: Oid): readonly string[] {
    const names = this.#names.get(oid);
    if (names === undefined) return [];
    return typeof names === 'string' ? [names] : names;
  }
}

/** All refs at one moment, sorted by name; immutable. */
export class Snapshot implements RefSnapshot {
  readonly generation: number;
  readonly head: Head;
  readonly refs: readonly Ref[];
  #objectNames: ObjectNames | undefined;
  /** Objects that were found to be named: a crowd of clients wants the same ones. */
  readonly #named = new Set<Oid>();

  /** `refs` must be sorted by `compareRefNames` and is not copied. */
  constructor(generation: number, head: Head, refs: readonly Ref[]) {
    this.generation = generation;
    this.head = head;
    this.refs = refs;
  }

  get(name: string): Ref | undefined {
    const ref = this.refs[this.#lowerBound(name)];
    return ref?.name === name ? ref : undefined;
  }

  withPrefix(prefix: string): readonly Ref[] {
    if (prefix === '') return this.refs;
    const start = this.#lowerBound(prefix);
    let low = start;
    let high = this.refs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.refs[middle]?.name.startsWith(prefix) === true) low = middle + 1;
      else high = middle;
    }
    return this.refs.slice(start, low);
  }

  namesObject(oid: Oid): boolean {
    if (this.head.oid === oid || this.#named.has(oid)) return true;
    this.#objectNames ??= new ObjectNames(this.refs);
    const isNamed = this.#objectNames.namesOf(oid).some((name) => {
      const ref = this.get(name);
      return ref !== undefined && (ref.oid === oid || ref.peeled === oid);
    });
    if (isNamed) this.#named.add(oid);
    return isNamed;
  }

  /** The snapshot after `changes`, one generation later. */
  after(changes: RefChanges, head: Head): Snapshot {
    const next = new Snapshot(this.generation + 1, head, merge(this.refs, changes));
    const names = this.#objectNames;
    // The shared index is left to a fresh start once most of it is history.
    if (names !== undefined && names.entries < 4 * next.refs.length + 1024) {
      for (const ref of changes.values()) if (ref !== undefined) names.add(ref);
      next.#objectNames = names;
    }
    return next;
  }

  #lowerBound(name: string): number {
    let low = 0;
    let high = this.refs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const ref = this.refs[middle];
      if (ref !== undefined && compareRefNames(ref.name, name) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Sorted `refs` with `changes` applied, in one pass. */
export function merge(refs: readonly Ref[], changes: RefChanges): readonly Ref[] {
  const names = [...changes.keys()].sort(compareRefNames);
  const merged: Ref[] = [];
  let position = 0;
  for (const name of names) {
    for (let ref = refs[position]; ref !== undefined; ref = refs[position]) {
      const order = compareRefNames(ref.name, name);
      if (order > 0) break;
      if (order < 0) merged.push(ref);
      position += 1;
      if (order === 0) break;
    }
    const changed = changes.get(name);
    if (changed !== undefined) merged.push(changed);
  }
  for (; position < refs.length; position += 1) {
    const ref = refs[position];
    if (ref !== undefined) merged.push(ref);
  }
  return merged;
}
