import { type Oid, PackhorseError } from '#base';
import type { Deepen, Ref, RefSnapshot } from '#wire';
import type { Storage } from '../storage.ts';

/** True when `rules` (transfer.hideRefs: prefixes, `!` takes back, the last match counts) hide a ref. */
export function isHidden(name: string, rules: readonly string[]): boolean {
  for (const rule of rules.toReversed()) {
    const shown = rule.startsWith('!');
    // `^` means the full name, which is all there is without namespaces.
    const prefix = rule
      .slice(shown ? 1 : 0)
      .replace(/^\^/, '')
      .replace(/\/+$/, '');
    if (prefix !== '' && (name === prefix || name.startsWith(`${prefix}/`))) return !shown;
  }
  return false;
}

function* shownTips(refs: readonly Ref[], rules: readonly string[]): Generator<Oid, void, undefined> {
  for (const ref of refs) if (rules.length === 0 || !isHidden(ref.name, rules)) yield ref.oid;
}

/** True when every commit of `oids` is an ancestor of some shown ref, as git's upload-pack decides it. */
export async function isReachable(
  storage: Storage,
  gitDir: string,
  refs: RefSnapshot,
  hiddenRefs: readonly string[],
  oids: readonly Oid[],
): Promise<boolean> {
  async function* input(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from([...oids, ''].join('\n'));
    for (const tip of shownTips(refs.refs, hiddenRefs)) yield Buffer.from(`^${tip}\n`);
  }
  const result = await storage.git.run({
    gitDir,
    args: ['rev-list', '--stdin', '--max-count=1'],
    input: input(),
    okCodes: [0, 128],
  });
  return result.code === 0 && result.stdout.length === 0;
}

const noCommits = 'no commits selected for shallow requests';

/**
 * The commits at which history is cut for `--shallow-since` and `--shallow-exclude`: those that
 * are selected and have a parent that is not. Throws `invalid_argument` when none is selected or a
 * name to exclude does not exist.
 */
export async function shallowBoundary(
  storage: Storage,
  gitDir: string,
  refs: RefSnapshot,
  wants: readonly Oid[],
  deepen: Extract<Deepen, { kind: 'rev-list' }>,
): Promise<readonly Oid[]> {
  const excluded = deepen.notRefs.map((name) => `^${resolveName(refs, name)}`);
  const selected = new Set<Oid>();
  const cut = new Set<Oid>();
  const parentsOf = new Map<Oid, readonly Oid[]>();
  const lines = await revList(storage, gitDir, [...wants, ...excluded], deepen.sinceSeconds);
  for (const line of lines) {
    const [oid = '', ...parents] = line.split(' ');
    if (oid === '') continue;
    selected.add(oid);
    parentsOf.set(oid, parents);
  }
  if (selected.size === 0) throw new PackhorseError('invalid_argument', noCommits);
  for (const [oid, parents] of parentsOf) if (parents.some((parent) => !selected.has(parent))) cut.add(oid);
  return [...cut];
}

async function revList(
  storage: Storage,
  gitDir: string,
  revisions: readonly string[],
  sinceSeconds: number | undefined,
): Promise<readonly string[]> {
  async function* input(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from([...revisions, ''].join('\n'));
  }
  const since = sinceSeconds === undefined ? [] : [`--max-age=${sinceSeconds}`];
  const result = await storage.git.run({
    gitDir,
    args: ['rev-list', '--parents', ...since, '--stdin'],
    input: input(),
    maxOutputBytes: 512 * 1024 * 1024,
  });
  return result.stdout.toString('latin1').split('\n');
}

/** A ref named in any of the ways that git understands (gitrevisions), by its object. */
function resolveName(refs: RefSnapshot, name: string): Oid {
  for (const prefix of ['', 'refs/', 'refs/tags/', 'refs/heads/', 'refs/remotes/']) {
    const ref = refs.get(`${prefix}${name}`);
    if (ref !== undefined) return ref.oid;
  }
  throw new PackhorseError('invalid_argument', `deepen-not is not a ref: ${name.slice(0, 200)}`);
}
