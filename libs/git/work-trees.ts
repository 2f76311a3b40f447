import type { HookCall, HookRunner, RefSnapshot, WorkTree } from '#wire';
import type { ConfigValues } from './repository-config.ts';
import type { Storage } from './storage.ts';
import { unlessMissing } from './volume/disk.ts';

/** The repository that work trees belong to. */
export interface WorkTreeRepository {
  readonly gitDir: string;
  readonly config: ConfigValues;
  readonly emptyTree: string;
}

/** Whether the repository itself has no work tree (git-config, core.bare). */
export function isBare(gitDir: string, config: ConfigValues): boolean {
  return config.bool('core.bare', !gitDir.endsWith('/.git'));
}

/**
 * The work trees of a repository, its own and linked ones (git-worktree), by the branch that each
 * has checked out.
 */
export async function workTreesOf(
  storage: Storage,
  { gitDir, config }: WorkTreeRepository,
  snapshot: RefSnapshot,
): Promise<ReadonlyMap<string, WorkTree>> {
  const { disk } = storage;
  const trees = new Map<string, WorkTree>();
  // Most have none: to be told so at once is faster than to wait for a list.
  const isLinked = disk.stampNow(`${gitDir}/worktrees`) !== undefined;
  for (const { name } of isLinked ? ((await unlessMissing(disk.list(`${gitDir}/worktrees`))) ?? []) : []) {
    const own = `${gitDir}/worktrees/${name}`;
    const [head, pointer] = await Promise.all(
      ['HEAD', 'gitdir'].map(async (file) =>
        (await unlessMissing(disk.read(`${own}/${file}`)))?.toString().trim(),
      ),
    );
    if (head?.startsWith('ref: ') !== true || pointer === undefined) continue;
    const branch = head.slice('ref: '.length);
    trees.set(branch, { branch, path: pointer.replace(/\/\.git$/, ''), gitDir: own });
  }
  const { symref } = snapshot.head;
  if (symref !== undefined && !isBare(gitDir, config)) {
    const path = config.last('core.worktree') ?? gitDir.replace(/\/[^/]*$/, '');
    trees.set(symref, { branch: symref, path: path.startsWith('/') ? path : `${gitDir}/${path}`, gitDir });
  }
  return trees;
}

/**
 * Brings a work tree and its index to `newOid`, when nothing in it was changed (git-config,
 * receive.denyCurrentBranch, `updateInstead`); the push-to-checkout hook does it where there is one.
 * Resolves to why it cannot be, or to undefined.
 */
export async function updateWorkTree(
  storage: Storage,
  repository: WorkTreeRepository & { readonly hooks: HookRunner | undefined; readonly hasHistory: boolean },
  tree: WorkTree,
  newOid: string,
  call: Omit<HookCall, 'name'>,
): Promise<string | undefined> {
  const { hooks } = repository;
  if (hooks !== undefined && (await hooks.has('push-to-checkout'))) {
    const environment = { ...call.environment, GIT_DIR: tree.gitDir, GIT_WORK_TREE: tree.path };
    const accepted = await hooks.run({ ...call, name: 'push-to-checkout', args: [newOid], environment });
    return accepted ? undefined : 'push-to-checkout hook declined';
  }
  const base = repository.hasHistory ? 'HEAD' : repository.emptyTree;
  const steps: readonly (readonly [args: readonly string[], otherwise: string])[] = [
    [['update-index', '-q', '--ignore-submodules', '--refresh'], 'Up-to-date check failed'],
    [['diff-files', '--quiet', '--ignore-submodules', '--'], 'Working directory has unstaged changes'],
    [
      ['diff-index', '--quiet', '--cached', '--ignore-submodules', base, '--'],
      'Working directory has staged changes',
    ],
    [['read-tree', '-u', '-m', newOid], 'Could not update working tree to new HEAD'],
  ];
  for (const [args, otherwise] of steps) {
    const { code } = await storage.git.run({
      gitDir: tree.gitDir,
      cwd: tree.path,
      args,
      configFiles: storage.operatorConfig?.environment,
      // Where the repository's hooks are not to be run, its filters are not either.
      config: hooks === undefined ? withoutFilters(repository.config) : {},
      okCodes: [0, 1, 128],
      signal: call.signal,
    });
    if (code !== 0) return otherwise;
  }
  return undefined;
}

function withoutFilters(config: ConfigValues): Record<string, string> {
  const off: Record<string, string> = {};
  for (const [key] of config.below('filter.')) {
    if (/\.(?:clean|smudge|process)$/.test(key)) off[key] = '';
    if (key.endsWith('.required')) off[key] = 'false';
  }
  return off;
}
