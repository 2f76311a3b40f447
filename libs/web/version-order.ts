import type { Ref } from '#wire';

/** Sorting costs more than one walk over the list: past this many, names are taken as they are sorted. */
const maxSorted = 5_000;

const parts = /\d+|\D+/g;

/**
 * Compares names so that numbers count as numbers and `v1.0-rc1` comes before `v1.0`, as
 * `git tag --sort=version:refname` does with `versionsort.suffix=-`.
 */
export function compareVersions(one: string, other: string): number {
  const ones = one.match(parts) ?? [];
  const others = other.match(parts) ?? [];
  for (let index = 0; index < Math.max(ones.length, others.length); index += 1) {
    const a = ones[index];
    const b = others[index];
    if (a === b) continue;
    // Where one name ends, a suffix like `-rc1` makes the other an earlier version, anything else a later one.
    if (a === undefined) return b?.startsWith('-') === true ? 1 : -1;
    if (b === undefined) return a.startsWith('-') ? -1 : 1;
    const difference = Number(a) - Number(b);
    if (!Number.isNaN(difference) && difference !== 0) return difference;
    if (a.startsWith('-') !== b.startsWith('-')) return a.startsWith('-') ? -1 : 1;
    return a < b ? -1 : 1;
  }
  return 0;
}

/** At most `limit` of `refs` (sorted by name), the newest version first. */
export function newestVersionsFirst(refs: readonly Ref[], limit: number, skip = 0): readonly Ref[] {
  if (refs.length > maxSorted)
    return refs.slice(Math.max(0, refs.length - skip - limit), refs.length - skip).toReversed();
  return refs.toSorted((one, other) => compareVersions(other.name, one.name)).slice(skip, skip + limit);
}
