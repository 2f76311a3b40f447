import { type Oid, PackhorseError } from '#base';
import { hiddenRefs, visibleTips } from './hidden-refs.ts';
import type { Deepen, RefSnapshot, UploadPackRepository } from './repository.ts';
import type { RequestedDeepen } from './shallow.ts';

function notOurRef(oid: Oid): PackhorseError {
  return new PackhorseError('not_found', `upload-pack: not our ref ${oid}`);
}

/** Throws `not_found`, in Git's words, unless all of `wants` exist. */
export async function requireExisting(
  repository: UploadPackRepository,
  snapshot: RefSnapshot,
  wants: readonly Oid[],
): Promise<void> {
  const unknown = wants.filter((oid) => !snapshot.namesObject(oid));
  if (unknown.length === 0) return;
  const existing = await repository.existing(unknown);
  const missing = unknown.find((oid) => !existing.has(oid));
  if (missing !== undefined) throw notOurRef(missing);
}

/**
 * Throws `not_found` unless all of `wants` may be fetched in protocol versions 0 and 1, where that
 * depends on what was advertised and on `uploadpack.allow*SHA1InWant` (git-config). A stateless
 * client may have read an older advertisement, so there whatever is reachable is granted. Hidden
 * refs count as soon as one of those keys allows more than what is shown, as in Git.
 */
export async function requireAdvertised(
  repository: UploadPackRepository,
  snapshot: RefSnapshot,
  wants: readonly Oid[],
  stateless: boolean,
): Promise<void> {
  const policy = repository.uploadPolicy;
  if (policy.allowAnySha1InWant) return;
  const countsHidden = policy.allowTipSha1InWant || policy.allowReachableSha1InWant;
  const tips = visibleTips(snapshot, hiddenRefs(countsHidden ? [] : policy.hiddenRefs));
  const others = wants.filter((oid) => !tips.has(oid));
  const [first] = others;
  if (first === undefined) return;
  const allowsReachable = stateless || policy.allowReachableSha1InWant;
  if (!allowsReachable || !(await repository.reachable(others, [...tips]))) throw notOurRef(first);
}

/** The places in which Git looks for a short ref name (gitrevisions, "<refname>"). */
const shortNameRules: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => `refs/${name}`,
  (name) => `refs/tags/${name}`,
  (name) => `refs/heads/${name}`,
  (name) => `refs/remotes/${name}`,
  (name) => `refs/remotes/${name}/HEAD`,
];

/** Puts objects in the place of the names behind `deepen-not`. Throws `invalid_argument` for unknown or ambiguous ones. */
export function resolveDeepen(
  snapshot: RefSnapshot,
  deepen: RequestedDeepen | undefined,
): Deepen | undefined {
  if (deepen?.kind !== 'rev-list') return deepen;
  const { notRefs, ...rest } = deepen;
  return { ...rest, exclude: notRefs.map((short) => expand(snapshot, short)) };
}

function expand(snapshot: RefSnapshot, short: string): Oid {
  const names = new Set(shortNameRules.map((rule) => rule(short)));
  const found = Array.from(names, (name) =>
    name === 'HEAD' ? snapshot.head.oid : snapshot.get(name)?.oid,
  ).filter((oid) => oid !== undefined);
  const [oid] = found;
  if (oid !== undefined && found.length === 1) return oid;
  const what = oid === undefined ? 'deepen-not is not a ref' : 'ambiguous deepen-not';
  throw new PackhorseError('invalid_argument', `git upload-pack: ${what}: deepen-not ${short}`);
}
