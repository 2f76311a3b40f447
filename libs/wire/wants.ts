import { type Oid, PackhorseError } from '#base';
import { hiddenRefs, isAdvertised } from './hidden-refs.ts';
import type { Deepen, RefSnapshot, UploadPackRepository } from './repository.ts';

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
 * client may have read an older advertisement, so there whatever is reachable is granted.
 */
export async function requireAdvertised(
  repository: UploadPackRepository,
  snapshot: RefSnapshot,
  wants: readonly Oid[],
  stateless: boolean,
): Promise<void> {
  const policy = repository.uploadPolicy;
  if (policy.allowAnySha1InWant) return;
  const hidden = hiddenRefs(policy.hiddenRefs);
  const isTip = (oid: Oid): boolean =>
    policy.allowTipSha1InWant ? snapshot.namesObject(oid) : isAdvertised(snapshot, hidden, oid);
  const others = wants.filter((oid) => !isTip(oid));
  const [first] = others;
  if (first === undefined) return;
  const allowsReachable = stateless || policy.allowReachableSha1InWant;
  if (!allowsReachable || !(await repository.reachable(others))) throw notOurRef(first);
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

/** Replaces the names behind `deepen-not` by full ones. Throws `invalid_argument` for unknown or ambiguous ones. */
export function resolveDeepen(snapshot: RefSnapshot, deepen: Deepen | undefined): Deepen | undefined {
  if (deepen?.kind !== 'rev-list') return deepen;
  const notRefs = deepen.notRefs.map((short) => {
    const names = shortNameRules.map((rule) => rule(short));
    const found = names.filter((name) => name === 'HEAD' || snapshot.get(name) !== undefined);
    const [name] = found;
    if (name === undefined || found.length > 1) {
      throw new PackhorseError('invalid_argument', `git upload-pack: ambiguous deepen-not: ${short}`);
    }
    return name;
  });
  return { ...deepen, notRefs };
}
