import { isZeroOid, type Oid } from '#base';
import { type HiddenRefs, hiddenRefs } from './hidden-refs.ts';
import { isDeletion } from './push-request.ts';
import { isPushableRefName } from './ref-name.ts';
import type { Quarantine, ReceivePackPolicy, RefCommand, RefSnapshot, WorkTree } from './repository.ts';

/** Why a command is refused, as it stands behind its name in the report. */
export type Refusal = string;

/** What is known before the pack is looked at. */
export interface PolicyContext {
  readonly policy: ReceivePackPolicy;
  readonly snapshot: RefSnapshot;
  readonly workTrees: ReadonlyMap<string, WorkTree>;
  /** Gets what git tells the user besides the report, a line each, without its line feed. */
  readonly tell: (text: string) => void;
}

const branches = 'refs/heads/';

/** Commands for a ref that an earlier command is for already. */
export function repeatedCommands(commands: readonly RefCommand[]): readonly RefCommand[] {
  const seen = new Set<string>();
  return commands.filter(({ name }) => seen.size === seen.add(name).size);
}

/** Refuses what goes for a ref that is not shown (git-config, receive.hideRefs). */
export function checkHidden(command: RefCommand, hidden: HiddenRefs): Refusal | undefined {
  if (!hidden.hides(command.name)) return undefined;
  return `deny ${isDeletion(command) ? 'deleting' : 'updating'} a hidden ref`;
}

/** What can be said of a command without looking at any object. */
export function checkCommand(command: RefCommand, context: PolicyContext): Refusal | undefined {
  const { name } = command;
  const { policy, tell } = context;
  const deletes = isDeletion(command);
  if (!isPushableRefName(name, deletes)) {
    tell(`error: refusing to update funny ref '${name}' remotely`);
    return 'funny refname';
  }
  return (
    checkHidden(command, hiddenRefs(policy.hiddenRefs)) ??
    checkCurrent(command, context) ??
    (deletes && !isZeroOid(command.oldOid) ? checkDeletion(command, context) : undefined)
  );
}

function checkCurrent({ name }: RefCommand, context: PolicyContext): Refusal | undefined {
  if (!context.workTrees.has(name)) return undefined;
  const { policy, tell } = context;
  const action = policy.denyCurrentBranch;
  if (action === 'ignore' || action === 'updateInstead') return undefined;
  if (action === 'warn') {
    tell('warning: updating the current branch');
    return undefined;
  }
  tell(`error: refusing to update checked out branch: ${name}`);
  if (action === 'unconfigured') tell(`error: ${howToUpdateCurrent}`);
  return 'branch is currently checked out';
}

function checkDeletion({ name }: RefCommand, context: PolicyContext): Refusal | undefined {
  const { policy, snapshot, workTrees, tell } = context;
  if (policy.denyDeletes && name.startsWith(branches)) {
    tell(`error: denying ref deletion for ${name}`);
    return 'deletion prohibited';
  }
  if (snapshot.head.symref !== name && !workTrees.has(name)) return undefined;
  if (policy.denyDeleteCurrent === 'ignore') return undefined;
  if (policy.denyDeleteCurrent === 'warn') {
    tell('warning: deleting the current branch');
    return undefined;
  }
  if (policy.denyDeleteCurrent === 'unconfigured') tell(`error: ${howToDeleteCurrent}`);
  tell(`error: refusing to delete the current branch: ${name}`);
  return 'deletion of the current branch prohibited';
}

/** What can be said of a command once its objects are there. `kinds` has what its new value is. */
export async function checkObjects(
  command: RefCommand,
  kinds: Awaited<ReturnType<Quarantine['kindsOf']>>,
  quarantine: Quarantine,
  { policy, tell }: Pick<PolicyContext, 'policy' | 'tell'>,
): Promise<Refusal | undefined> {
  const { name, oldOid, newOid } = command;
  if (isDeletion(command) || !name.startsWith(branches)) return undefined;
  if (kinds.get(newOid) !== 'commit') {
    tell(
      `error: cannot update ref '${name}': trying to write non-commit object ${newOid} to branch '${name}'`,
    );
    return 'invalid new value provided';
  }
  if (!policy.denyNonFastForwards || (await isFastForward(oldOid, newOid, quarantine))) return undefined;
  tell(`error: denying non-fast-forward ${name} (you should pull first)`);
  return 'non-fast-forward';
}

async function isFastForward(oldOid: Oid, newOid: Oid, quarantine: Quarantine): Promise<boolean> {
  if (isZeroOid(oldOid) || oldOid === newOid) return true;
  return quarantine.isAncestor(oldOid, newOid);
}

/** What becomes of commands for a symbolic ref and for the ref that it names, in one push. */
export interface Aliases {
  /** Done through the ref that they name. */
  readonly skipped: ReadonlySet<RefCommand>;
  readonly refused: ReadonlyMap<RefCommand, Refusal>;
}

/** Finds commands that would move one ref under two names (githooks know only one of them). */
export function checkAliases(
  commands: readonly RefCommand[],
  snapshot: RefSnapshot,
  tell: PolicyContext['tell'],
): Aliases {
  const byName = new Map(commands.map((command) => [command.name, command]));
  const skipped = new Set<RefCommand>();
  const refused = new Map<RefCommand, Refusal>();
  for (const command of commands) {
    const target = byName.get(snapshot.get(command.name)?.symref ?? '');
    if (target === undefined) continue;
    skipped.add(command);
    if (command.oldOid === target.oldOid && command.newOid === target.newOid) continue;
    const range = ({ oldOid, newOid }: RefCommand): string => `${oldOid.slice(0, 7)}..${newOid.slice(0, 7)}`;
    tell(
      `error: refusing inconsistent update between symref '${command.name}' (${range(command)}) and` +
        ` its target '${target.name}' (${range(target)})`,
    );
    refused.set(command, 'inconsistent aliased update').set(target, 'inconsistent aliased update');
  }
  return { skipped, refused };
}

/** True when `receive.procReceiveRefs` has the proc-receive hook take care of a command. */
export function isForProcReceive({ name, oldOid, newOid }: RefCommand, patterns: readonly string[]): boolean {
  const wanted = isZeroOid(oldOid) ? 'a' : isZeroOid(newOid) ? 'd' : 'm';
  return patterns.some((pattern) => {
    const colon = pattern.indexOf(':');
    const flags = colon < 0 ? 'adm' : pattern.slice(0, colon);
    if (!flags.includes(wanted)) return false;
    const prefix = pattern.slice(colon + 1).replace(/\/+$/, '');
    const isBelow = name === prefix || name.startsWith(`${prefix}/`);
    return isBelow !== flags.includes('!');
  });
}

const howToUpdateCurrent = `By default, updating the current branch in a non-bare repository
is denied, because it will make the index and work tree inconsistent
with what you pushed, and will require 'git reset --hard' to match
the work tree to HEAD.

You can set the 'receive.denyCurrentBranch' configuration variable
to 'ignore' or 'warn' in the remote repository to allow pushing into
its current branch; however, this is not recommended unless you
arranged to update its work tree to match what you pushed in some
other way.

To squelch this message and still keep the default behaviour, set
'receive.denyCurrentBranch' configuration variable to 'refuse'.`;

const howToDeleteCurrent = `By default, deleting the current branch is denied, because the next
'git clone' won't result in any file checked out, causing confusion.

You can set the 'receive.denyDeleteCurrent' configuration variable to
'warn' or 'ignore' in the remote repository to allow deleting the
current branch, with or without a warning message.

To squelch this message, you can set it to 'refuse'.`;
