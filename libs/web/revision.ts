import { PackhorseError } from '#base';
import type { RepositoryReader, ResolvedRevision } from '#git';

/** A place in a repository, as an address names it. */
export interface Place {
  /** As it was written: goes into links. */
  readonly revision: string;
  readonly resolved: ResolvedRevision;
  readonly commitOid: string;
  /** Without slashes around; empty is the root. */
  readonly path: string;
}

const maxRefSegments = 20;

/**
 * Splits `feature/x/src/main.c` into revision and path. Branches and tags may contain slashes, and
 * no branch can begin with another one and a slash, so the first that matches is the only one.
 * Throws `not_found`.
 */
export async function resolvePlace(reader: RepositoryReader, address: string): Promise<Place> {
  const segments = address.split('/').filter((segment) => segment !== '');
  for (let length = 1; length <= Math.min(segments.length, maxRefSegments); length += 1) {
    const revision = segments.slice(0, length).join('/');
    const resolved = await resolve(reader, revision, length === 1);
    if (resolved === undefined) continue;
    const commitOid = await reader.peel(resolved.oid, 'commit');
    return { revision, resolved, commitOid, path: segments.slice(length).join('/') };
  }
  throw new PackhorseError('not_found', 'There is no branch, tag or commit of that name.');
}

/** Expressions such as `HEAD~3` are one segment; several segments can only be a branch or a tag. */
async function resolve(
  reader: RepositoryReader,
  revision: string,
  mayBeExpression: boolean,
): Promise<ResolvedRevision | undefined> {
  if (mayBeExpression) return reader.resolve(revision);
  return (await reader.resolve(`refs/heads/${revision}`)) ?? (await reader.resolve(`refs/tags/${revision}`));
}
