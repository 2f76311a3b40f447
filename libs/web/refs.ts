import type { RepositoryReader } from '#git';

/** Branches and tags as addresses name them. */

export const branchPrefix = 'refs/heads/';
export const tagPrefix = 'refs/tags/';

/** Longest ref that an address is searched for, in segments. */
const maxSegments = 24;

const fullOid = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export interface FoundRef {
  /** Full name. */
  readonly ref: string;
  /** How many segments of the address name it; what follows is a path. */
  readonly segments: number;
}

type Exists = (fullName: string) => Promise<boolean>;

/**
 * The ref that an address begins with. A short name is a branch before it is a tag, and the shortest
 * wins where a tag `a` and a branch `a/b` exist; a full name (`refs/heads/a/b`) is always exact.
 */
export async function findRef(segments: readonly string[], exists: Exists): Promise<FoundRef | undefined> {
  const [first = ''] = segments;
  // These always mean what they mean to git.
  if (first === 'HEAD' || fullOid.test(first)) return undefined;
  const names = segments.slice(0, maxSegments).map((_, index) => segments.slice(0, index + 1).join('/'));
  const prefixes = [branchPrefix, tagPrefix];
  for (const [index, ref] of names.entries()) {
    if (first === 'refs' && (await exists(ref))) return { ref, segments: index + 1 };
  }
  for (const [index, name] of names.entries()) {
    for (const prefix of prefixes) {
      if (await exists(prefix + name)) return { ref: prefix + name, segments: index + 1 };
    }
  }
  return undefined;
}

/** Whether a repository has exactly this ref. */
export function refExists(reader: RepositoryReader): Exists {
  return async (fullName) =>
    // Expressions, which no ref can be called, are not worth following.
    !/[~^:]/.test(fullName) && (await reader.resolve(fullName))?.ref === fullName;
}

/** `main` for `refs/heads/main`: how people know it. */
export function shortName(ref: string): string {
  for (const prefix of [branchPrefix, tagPrefix]) if (ref.startsWith(prefix)) return ref.slice(prefix.length);
  return ref;
}

/** The shortest address that leads back to this ref: its short name, unless something else comes first. */
export async function refAddress(ref: string, exists: Exists): Promise<string> {
  const short = shortName(ref);
  // Behind a branch called `refs`, a path such as `heads/a` would read as another ref's full name.
  if (short.split('/', 1)[0] === 'refs') return ref;
  const found = await findRef(short.split('/'), exists);
  return found?.ref === ref ? short : ref;
}
