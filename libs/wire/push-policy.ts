import { isZeroOid } from '#base';
import { hiddenRefs } from './hidden-refs.ts';
import { isDeletion, type PushRequest } from './push-request.ts';
import { isPushableRefName } from './ref-name.ts';
import type { Quarantine, ReceivePackPolicy, RefCommand, RefSnapshot } from './repository.ts';

/** Why commands are refused, by position in the push; what is not in it goes ahead. */
export type Rejections = ReadonlyMap<RefCommand, string>;

const branches = 'refs/heads/';

/** What can be said of the commands before a single byte of the pack is looked at. */
export function checkCommands(
  request: PushRequest,
  policy: ReceivePackPolicy,
  snapshot: RefSnapshot,
): Rejections {
  const hidden = hiddenRefs(policy.hiddenRefs);
  const counts = new Map<string, number>();
  for (const { name } of request.commands) counts.set(name, (counts.get(name) ?? 0) + 1);
  const reasonFor = (command: RefCommand): string | undefined => {
    const { name } = command;
    const deletes = isDeletion(command);
    if (!isPushableRefName(name, deletes)) return 'funny refname';
    if ((counts.get(name) ?? 0) > 1) return 'multiple updates for one ref';
    if (hidden.hides(name)) return `deny ${deletes ? 'deleting' : 'updating'} a hidden ref`;
    const isCurrent = snapshot.head.symref === name;
    if (deletes && policy.denyDeletes && name.startsWith(branches)) return 'deletion prohibited';
    if (deletes && policy.denyDeleteCurrent && isCurrent) return 'deletion of the current branch prohibited';
    if (!deletes && policy.denyUpdateCurrent && isCurrent) return 'branch is currently checked out';
    return undefined;
  };
  return rejectionsOf(request.commands, reasonFor);
}

function rejectionsOf(
  commands: readonly RefCommand[],
  reasonFor: (command: RefCommand) => string | undefined,
): Rejections {
  const rejections = new Map<RefCommand, string>();
  for (const command of commands) {
    const reason = reasonFor(command);
    if (reason !== undefined) rejections.set(command, reason);
  }
  return rejections;
}

/** What can be said of `commands` once their objects wait in the quarantine. */
export async function checkObjects(
  commands: readonly RefCommand[],
  policy: ReceivePackPolicy,
  quarantine: Quarantine,
): Promise<Rejections> {
  const rejections = new Map<RefCommand, string>();
  const updates = commands.filter((command) => !isDeletion(command));
  if (updates.length === 0) return rejections;
  const disconnected = await quarantine.disconnected([...new Set(updates.map(({ newOid }) => newOid))]);
  const isBranch = ({ name }: RefCommand): boolean => name.startsWith(branches);
  const kinds = await quarantine.kindsOf(updates.filter(isBranch).map(({ newOid }) => newOid));
  for (const command of updates) {
    if (disconnected.has(command.newOid)) rejections.set(command, 'missing necessary objects');
    else if (!isBranch(command)) continue;
    else if (kinds.get(command.newOid) !== 'commit') rejections.set(command, 'branches must name commits');
    else if (policy.denyNonFastForwards && !(await isFastForward(command, quarantine))) {
      rejections.set(command, 'non-fast-forward');
    }
  }
  return rejections;
}

async function isFastForward({ oldOid, newOid }: RefCommand, quarantine: Quarantine): Promise<boolean> {
  if (isZeroOid(oldOid) || oldOid === newOid) return true;
  return quarantine.isAncestor(oldOid, newOid);
}
