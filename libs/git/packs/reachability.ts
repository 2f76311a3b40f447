import { type Oid, PackhorseError } from '#base';
import type { Deepen } from '#wire';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';

/** Room for the whole history of the largest repositories: an id and its parents for each commit. */
const maxListBytes = 1024 * 1024 * 1024;

/** True when every commit of `oids` is an ancestor of some of `tips`, as git's upload-pack decides it. */
export async function isReachable(
  storage: Storage,
  gitDir: string,
  oids: readonly Oid[],
  tips: readonly Oid[],
): Promise<boolean> {
  const result = await storage.git.run({
    gitDir,
    args: ['rev-list', '--stdin', '--max-count=1'],
    input: lines([...oids, ...tips.map((oid) => `^${oid}`)]),
    okCodes: [0, 128],
  });
  return result.code === 0 && result.stdout.length === 0;
}

/**
 * The commits at which history is cut for `--shallow-since` and `--shallow-exclude`: those that
 * are selected and have a parent that is not. Throws `invalid_argument` when no commit is selected.
 */
export async function shallowBoundary(
  storage: Storage,
  gitDir: string,
  wants: readonly Oid[],
  deepen: Extract<Deepen, { kind: 'rev-list' }>,
): Promise<readonly Oid[]> {
  const { sinceSeconds } = deepen;
  const excluded = deepen.exclude.map((oid) => `^${oid}`);
  const result = await storage.git.run({
    gitDir,
    args: [
      'rev-list',
      '--parents',
      ...(sinceSeconds === undefined ? [] : [`--max-age=${sinceSeconds}`]),
      '--stdin',
    ],
    input: lines([...wants, ...excluded]),
    maxOutputBytes: maxListBytes,
  });
  const parents = new Map<Oid, readonly Oid[]>();
  for (const line of result.stdout.toString('latin1').split('\n')) {
    const [oid = '', ...rest] = line.split(' ');
    if (oid !== '') parents.set(oid, rest);
  }
  if (parents.size === 0) {
    throw new PackhorseError('invalid_argument', 'no commits selected for shallow requests');
  }
  return [...parents].filter(([, of]) => of.some((parent) => !parents.has(parent))).map(([oid]) => oid);
}
