import type { Ref } from '#wire';

/** Sorting costs more than one walk over the list: past this many, names are taken as they are sorted. */
const maxSorted = 5_000;

/** A name as numbers and what is between them. */
type Version = readonly (number | string)[];

function parseVersion(name: string): Version {
  return (name.match(/\d+|\D+/g) ?? []).map((part) => (/^\d/.test(part) ? Number(part) : part));
}

function isSuffix(part: number | string | undefined): boolean {
  return typeof part === 'string' && part.startsWith('-');
}

/** How one part sorts against another; where a name ends, a suffix like `-rc1` makes the other an earlier version. */
function compareParts(one: number | string | undefined, other: number | string | undefined): number {
  if (isSuffix(one) !== isSuffix(other)) return isSuffix(one) ? -1 : 1;
  if (one === undefined || other === undefined) return one === other ? 0 : one === undefined ? -1 : 1;
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  const [a, b] = [String(one), String(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Sorts names so that numbers count as numbers and `v1.0-rc1` comes before `v1.0`, as
 * `git tag --sort=version:refname` does with `versionsort.suffix=-`.
 */
function compareVersions(one: Version, other: Version): number {
  for (let index = 0; index < Math.max(one.length, other.length); index += 1) {
    const order = compareParts(one[index], other[index]);
    if (order !== 0) return order;
  }
  return 0;
}

/** At most `limit` of `refs` (sorted by name), the newest version first. */
export function newestVersionsFirst(refs: readonly Ref[], limit: number, skip = 0): readonly Ref[] {
  if (refs.length > maxSorted) {
    const end = Math.max(0, refs.length - skip);
    return refs.slice(Math.max(0, end - limit), end).toReversed();
  }
  return refs
    .map((ref) => ({ ref, version: parseVersion(ref.name) }))
    .sort((one, other) => compareVersions(other.version, one.version))
    .slice(skip, skip + limit)
    .map(({ ref }) => ref);
}
