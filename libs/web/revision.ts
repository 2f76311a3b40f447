import { hasCode, type Oid, PackhorseError } from '#base';
import type { RepositoryReader, ResolvedRevision } from '#git';
import { shortOid } from './format.ts';
import { branchPrefix, findRef, refExists, shortName, tagPrefix } from './refs.ts';

/** A commit, as an address names it. */
export interface Revision {
  /** As it was written: goes into links. */
  readonly address: string;
  readonly commitOid: Oid;
  /** How people know it: `main`, `v1.0`, or a shortened id. */
  readonly label: string;
  readonly kind: 'branch' | 'tag' | 'commit';
  /** Full name of the ref, when it is one. */
  readonly ref?: string;
}

/** A place in a repository, as an address names it. */
export interface Place {
  readonly revision: Revision;
  /** Without slashes around; empty is the root. */
  readonly path: string;
}

function noSuchRevision(): PackhorseError {
  return new PackhorseError('not_found', 'There is no branch, tag or commit of that name.');
}

/**
 * Splits `feature/x/src/main.c` into revision and path. Names of branches and tags come first; what
 * is none may be an id, an abbreviated one, or an expression such as `main~3` or `feature/x^2`.
 * Throws `not_found`, and `invalid_argument` for an ambiguous abbreviation.
 */
export async function resolvePlace(reader: RepositoryReader, address: string): Promise<Place> {
  const segments = address.split('/').filter((segment) => segment !== '');
  const found = await findRef(segments, refExists(reader));
  if (found !== undefined) {
    const path = segments.slice(found.segments).join('/');
    const oid = (await reader.resolve(found.ref))?.oid;
    if (oid === undefined) throw noSuchRevision();
    return {
      revision: await refRevision(reader, segments.slice(0, found.segments).join('/'), found.ref, oid),
      path,
    };
  }
  for (const count of expressionLengths(segments)) {
    const expression = segments.slice(0, count).join('/');
    const resolved = await reader.resolve(expression);
    if (resolved === undefined) continue;
    const commitOid = await commitOf(reader, resolved.oid);
    const revision: Revision = {
      address: expression,
      commitOid,
      label: labelOf(expression, resolved),
      kind: 'commit',
    };
    return { revision, path: segments.slice(count).join('/') };
  }
  throw noSuchRevision();
}

/** A whole address that names a revision, such as the one of a commit page. */
export async function resolveRevision(reader: RepositoryReader, address: string): Promise<Revision> {
  const { revision, path } = await resolvePlace(reader, address);
  if (path !== '') throw noSuchRevision();
  return revision;
}

/** The first segment, or as far as the first one with an operator: names of refs have none. */
function expressionLengths(segments: readonly string[]): readonly number[] {
  const operator = segments.findIndex((segment) => /[~^]/.test(segment));
  return operator > 0 ? [1, operator + 1] : [1];
}

function labelOf(expression: string, { oid }: ResolvedRevision): string {
  return oid.startsWith(expression.toLowerCase()) ? shortOid(oid) : expression;
}

async function refRevision(
  reader: RepositoryReader,
  address: string,
  ref: string,
  oid: Oid,
): Promise<Revision> {
  const kind = ref.startsWith(branchPrefix) ? 'branch' : ref.startsWith(tagPrefix) ? 'tag' : 'commit';
  return { address, commitOid: await commitOf(reader, oid), label: shortName(ref), kind, ref };
}

async function commitOf(reader: RepositoryReader, oid: Oid): Promise<Oid> {
  try {
    return await reader.peel(oid, 'commit');
  } catch (thrown) {
    if (!hasCode(thrown, 'invalid_argument')) throw thrown;
    throw new PackhorseError('not_found', 'This name leads to a file or a directory, not to a commit.', {
      cause: thrown,
    });
  }
}
