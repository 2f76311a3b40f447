import type { RefSnapshot } from '#wire';
import { refParents } from './ref-name.ts';

/**
 * Finds refs that cannot stand beside each other because one's name is a directory of the other's.
 * Speaks of one transaction: names that were accepted count for those that follow.
 */
export class NameConflicts {
  readonly #existing: RefSnapshot;
  readonly #accepted = new Set<string>();
  readonly #acceptedParents = new Map<string, string>();

  constructor(existing: RefSnapshot) {
    this.#existing = existing;
  }

  /** Why `name` cannot be created, or undefined: it then counts as taken. */
  accept(name: string): string | undefined {
    const below = this.#existing.withPrefix(`${name}/`)[0];
    if (below !== undefined) return `'${below.name}' exists; cannot create '${name}'`;
    const alsoBelow = this.#acceptedParents.get(name);
    if (alsoBelow !== undefined) return together(alsoBelow, name);
    for (const parent of refParents(name)) {
      if (this.#existing.get(parent) !== undefined) return `'${parent}' exists; cannot create '${name}'`;
      if (this.#accepted.has(parent)) return together(parent, name);
    }
    this.#accepted.add(name);
    for (const parent of refParents(name)) this.#acceptedParents.set(parent, name);
    return undefined;
  }
}

function together(one: string, other: string): string {
  return `cannot process '${one}' and '${other}' at the same time`;
}
