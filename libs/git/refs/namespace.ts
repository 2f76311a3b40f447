import type { Head, Ref, RefSnapshot } from '#wire';
import type { RefValue } from './loose-refs.ts';
import { Snapshot } from './snapshot.ts';

/**
 * Ref namespaces (gitnamespaces): a part of a repository's refs that is served as if it were all of
 * them. `a/b` is the refs below `refs/namespaces/a/refs/namespaces/b/`.
 */
export function namespacePrefix(namespace: string | undefined): string {
  return (namespace ?? '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => `refs/namespaces/${part}/`)
    .join('');
}

/** The patterns of `hideRefs` as they look from inside a namespace: those with `^` are about whole names. */
export function namespacedPatterns(patterns: readonly string[], prefix: string): readonly string[] {
  if (prefix === '') return patterns;
  return patterns.flatMap((pattern) => {
    const [, not = '', isFull, name = ''] = /^(!?)(\^?)(.*)$/s.exec(pattern) ?? [];
    if (isFull !== '^') return [pattern];
    const bare = name.replace(/\/+$/, '');
    if (bare.startsWith(prefix)) return [not + bare.slice(prefix.length)];
    return prefix.startsWith(`${bare}/`) ? [`${not}HEAD`, `${not}refs`] : [];
  });
}

/** Moves what has a name between a namespace and the disk. */
export function namespacedNames(prefix: string): {
  onDisk<Named extends { readonly name: string }>(these: readonly Named[]): readonly Named[];
  asServed<Named extends { readonly name: string }>(these: readonly Named[]): readonly Named[];
} {
  if (prefix === '') return { onDisk: (these) => these, asServed: (these) => these };
  return {
    onDisk: (these) => these.map((each) => ({ ...each, name: prefix + each.name })),
    asServed: (these) => these.map((each) => ({ ...each, name: strip(each.name, prefix) })),
  };
}

const views = new WeakMap<RefSnapshot, RefSnapshot>();

/**
 * The refs of one namespace, under their names in it. `rawHead` is what `HEAD` of the namespace says
 * on disk, which a snapshot does not know while its branch is unborn.
 */
export function namespacedSnapshot(
  snapshot: RefSnapshot,
  prefix: string,
  rawHead: RefValue | undefined,
): RefSnapshot {
  const head = headOf(snapshot, prefix, rawHead);
  const known = views.get(snapshot);
  if (known !== undefined && sameHead(known.head, head)) return known;
  const inside = snapshot.withPrefix(`${prefix}refs/`).map((ref) => stripped(ref, prefix));
  const view = new Snapshot(snapshot.generation, head, inside);
  views.set(snapshot, view);
  return view;
}

function sameHead(one: Head, other: Head): boolean {
  return one.oid === other.oid && one.symref === other.symref && one.peeled === other.peeled;
}

function headOf(snapshot: RefSnapshot, prefix: string, raw: RefValue | undefined): Head {
  const ref = snapshot.get(`${prefix}HEAD`);
  if (ref !== undefined) {
    const { name: _, ...head } = stripped(ref, prefix);
    return head;
  }
  return raw?.kind === 'symref' ? { symref: strip(raw.target, prefix) } : {};
}

function stripped(ref: Ref, prefix: string): Ref {
  const symref = ref.symref === undefined ? {} : { symref: strip(ref.symref, prefix) };
  return { ...ref, name: strip(ref.name, prefix), ...symref };
}

function strip(name: string, prefix: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}
