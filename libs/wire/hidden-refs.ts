import type { Oid } from '#base';
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
  // `^` asks for whole names instead of those inside a namespace, which here are the same.
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
    prefix !== '' &&
    name.startsWith(prefix) &&
    (name.length === prefix.length || name[prefix.length] === '/');
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

const tips = new WeakMap<RefSnapshot, Map<string, ReadonlySet<Oid>>>();

/** What HEAD and the refs that are shown name and peel to. */
export function visibleTips(snapshot: RefSnapshot, hidden: HiddenRefs): ReadonlySet<Oid> {
  let byRule = tips.get(snapshot);
  if (byRule === undefined) tips.set(snapshot, (byRule = new Map()));
  let oids = byRule.get(hidden.key);
  if (oids === undefined) {
    const head = snapshot.head.oid === undefined || hidden.hides('HEAD') ? [] : [snapshot.head.oid];
    oids = new Set([
      ...head,
      ...visibleRefs(snapshot, hidden).flatMap((ref) => [ref.oid, ref.peeled ?? ref.oid]),
    ]);
    byRule.set(hidden.key, oids);
  }
  return oids;
}
