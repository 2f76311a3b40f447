import type { Ref, RefSnapshot } from './repository.ts';

/** Which refs are not shown (git-config, `transfer.hideRefs`). */
export interface HiddenRefs {
  /** Identifies the rule: equal keys hide the same refs. */
  readonly key: string;
  /** True when nothing is hidden at all. */
  readonly isEmpty: boolean;
  hides(name: string): boolean;
}

interface Rule {
  readonly prefix: string;
  readonly hide: boolean;
}

function parseRule(pattern: string): Rule {
  const hide = !pattern.startsWith('!');
  const bare = (hide ? pattern : pattern.slice(1)).replace(/^\^/, '');
  return { prefix: bare.replace(/\/+$/, ''), hide };
}

/**
 * Reads patterns as Git does: a full name or a prefix that ends at a slash, `!` shows again,
 * the last pattern that matches decides.
 */
export function hiddenRefs(patterns: readonly string[]): HiddenRefs {
  const rules = patterns.map(parseRule).toReversed();
  const matches = (name: string, { prefix }: Rule): boolean =>
    name.startsWith(prefix) && (name.length === prefix.length || name[prefix.length] === '/');
  return {
    key: patterns.join('\n'),
    isEmpty: rules.length === 0,
    hides: (name) => rules.find((rule) => matches(name, rule))?.hide ?? false,
  };
}

/** The refs of `snapshot` that are shown. */
export function visibleRefs(snapshot: RefSnapshot, hidden: HiddenRefs): readonly Ref[] {
  return hidden.isEmpty ? snapshot.refs : snapshot.refs.filter((ref) => !hidden.hides(ref.name));
}

const visibleOids = new WeakMap<RefSnapshot, Map<string, ReadonlySet<string>>>();

/** True when HEAD or a ref that is shown names `oid` or peels to it. */
export function isAdvertised(snapshot: RefSnapshot, hidden: HiddenRefs, oid: string): boolean {
  if (!snapshot.namesObject(oid)) return false;
  if (hidden.isEmpty) return true;
  let byRule = visibleOids.get(snapshot);
  if (byRule === undefined) visibleOids.set(snapshot, (byRule = new Map()));
  let oids = byRule.get(hidden.key);
  if (oids === undefined) {
    oids = new Set(visibleRefs(snapshot, hidden).flatMap((ref) => [ref.oid, ref.peeled ?? ref.oid]));
    byRule.set(hidden.key, oids);
  }
  return oids.has(oid) || (snapshot.head.oid === oid && !hidden.hides('HEAD'));
}
