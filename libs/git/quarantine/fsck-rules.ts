import type { GitRunner } from '../process/git-runner.ts';
import type { Storage } from '../storage.ts';

/** Flaws that every git which is supported here knows by these names. */
const surelyKnown: ReadonlySet<string> = new Set([
  'skiplist',
  'badtimezone',
  'missingspacebeforedate',
  'zeropaddedfilemode',
]);

/** What a git program said of names that were asked for. */
const asked = new WeakMap<GitRunner, Map<string, Promise<boolean>>>();

/**
 * Sorts rules such as `missingemail=warn` into those that this git knows and the names that it does
 * not know, which it would refuse every pack for (git-fsck, fsck.<msg-id>).
 */
export async function sortFsckRules(
  { git }: Pick<Storage, 'git'>,
  gitDir: string,
  rules: readonly string[],
): Promise<{ readonly known: readonly string[]; readonly unknown: readonly string[] }> {
  let answers = asked.get(git);
  if (answers === undefined) asked.set(git, (answers = new Map()));
  const known: string[] = [];
  const unknown: string[] = [];
  for (const rule of rules) {
    const id = rule.slice(0, rule.indexOf('='));
    let answer = answers.get(id);
    if (answer === undefined) answers.set(id, (answer = isKnown(git, gitDir, id)));
    if (await answer) known.push(rule);
    else unknown.push(id);
  }
  return { known, unknown };
}

/** Options are read before the pack, so an empty one is enough to hear what git says of them. */
async function isKnown(git: GitRunner, gitDir: string, id: string): Promise<boolean> {
  if (surelyKnown.has(id)) return true;
  const args = ['index-pack', `--strict=${id}=error`, '--stdin'];
  const { stderr } = await git.run({ gitDir, args, okCodes: [0, 1, 128] });
  return !/Unhandled message id/i.test(stderr);
}
