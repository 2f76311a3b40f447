import { type Oid, PackhorseError } from '#base';
import { type Deepen, hiddenRefs, type RefSnapshot } from '#wire';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';

/** Room for the whole history of the largest repositories: an id and its parents for each commit. */
const maxListBytes = 1024 * 1024 * 1024;

/** True when every commit of `oids` is an ancestor of some ref that `hidden` shows, as git's upload-pack decides it. */
export async function isReachable(
  storage: Storage,
  gitDir: string,
  refs: RefSnapshot,
  hidden: readonly string[],
  oids: readonly Oid[],
): Promise<boolean> {
  const result = await storage.git.run({
    gitDir,
    args: ['rev-list', '--stdin', '--max-count=1'],
    input: lines([...oids, ...shownTips(refs, hidden).map((oid) => `^${oid}`)]),
    okCodes: [0, 128],
  });
  return result.code === 0 && result.stdout.length === 0;
}

/** What the refs that `hidden` shows name, tags peeled. */
export function shownTips(refs: RefSnapshot, hidden: readonly string[]): readonly Oid[] {
  const rules = hiddenRefs(hidden);
  return refs.refs.filter((ref) => !rules.hides(ref.name)).map(({ oid, peeled }) => peeled ?? oid);
}

/**
 * The commits at which history is cut for `--shallow-since` and `--shallow-exclude`: those that
 * are selected and have a parent that is not. `deepen` excludes refs by their full names. Throws
 * `invalid_argument` when no commit is selected or a ref does not exist.
 */
export async function shallowBoundary(
  storage: Storage,
  gitDir: string,
  refs: RefSnapshot,
  wants: readonly Oid[],
  deepen: Extract<Deepen, { kind: 'rev-list' }>,
): Promise<readonly Oid[]> {
  const { sinceSeconds } = deepen;
  const excluded = deepen.notRefs.map((name) => `^${named(refs, name)}`);
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

function named(refs: RefSnapshot, name: string): Oid {
  const ref = refs.get(name);
  if (ref !== undefined) return ref.oid;
  throw new PackhorseError('invalid_argument', 'A ref to stop at does not exist.', { metadata: { name } });
}
