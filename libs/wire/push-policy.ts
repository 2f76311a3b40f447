import { isZeroOid } from '#base';
import { type HiddenRefs, hiddenRefs } from './hidden-refs.ts';
import { isDeletion, type PushRequest } from './push-request.ts';
import { isPushableRefName } from './ref-name.ts';
import type { Quarantine, ReceivePackPolicy, RefCommand, RefSnapshot } from './repository.ts';

/** Why a command is refused: what stands behind its name in the report, and what git adds for the user. */
export interface Rejection {
  readonly reason: string;
  readonly note?: string;
}

/** The commands that are refused; what is not in it goes ahead. */
export type Rejections = ReadonlyMap<RefCommand, Rejection>;

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
  const rejections = new Map<RefCommand, Rejection>();
  for (const command of request.commands) {
    const isRepeated = (counts.get(command.name) ?? 0) > 1;
    const rejection = isRepeated
      ? { reason: 'multiple updates for one ref' }
      : checkCommand(command, policy, snapshot, hidden);
    if (rejection !== undefined) rejections.set(command, rejection);
  }
  return rejections;
}

function checkCommand(
  command: RefCommand,
  policy: ReceivePackPolicy,
  snapshot: RefSnapshot,
  hidden: HiddenRefs,
): Rejection | undefined {
  const { name } = command;
  const deletes = isDeletion(command);
  if (!isPushableRefName(name, deletes)) {
    return { reason: 'funny refname', note: `refusing to update funny ref '${name}' remotely` };
  }
  if (hidden.hides(name)) return { reason: `deny ${deletes ? 'deleting' : 'updating'} a hidden ref` };
  const isCurrent = snapshot.head.symref === name;
  if (!deletes) {
    if (!policy.denyUpdateCurrent || !isCurrent) return undefined;
    const note = `refusing to update checked out branch: ${name}`;
    return { reason: 'branch is currently checked out', note };
  }
  if (policy.denyDeletes && name.startsWith(branches)) {
    return { reason: 'deletion prohibited', note: `denying ref deletion for ${name}` };
  }
  if (!policy.denyDeleteCurrent || !isCurrent) return undefined;
  const note = `refusing to delete the current branch: ${name}`;
  return { reason: 'deletion of the current branch prohibited', note };
}

/** What can be said of `commands` once their objects wait in the quarantine. */
export async function checkObjects(
  commands: readonly RefCommand[],
  policy: ReceivePackPolicy,
  quarantine: Quarantine,
): Promise<Rejections> {
  const rejections = new Map<RefCommand, Rejection>();
  const updates = commands.filter((command) => !isDeletion(command));
  if (updates.length === 0) return rejections;
  const disconnected = await quarantine.disconnected([...new Set(updates.map(({ newOid }) => newOid))]);
  const isBranch = ({ name }: RefCommand): boolean => name.startsWith(branches);
  const kinds = await quarantine.kindsOf(updates.filter(isBranch).map(({ newOid }) => newOid));
  for (const command of updates) {
    const { name, newOid } = command;
    if (disconnected.has(newOid)) rejections.set(command, { reason: 'missing necessary objects' });
    else if (!isBranch(command)) continue;
    else if (kinds.get(newOid) !== 'commit') {
      const note = `trying to write non-commit object ${newOid} to branch '${name}'`;
      rejections.set(command, { reason: 'branches must name commits', note });
    } else if (policy.denyNonFastForwards && !(await isFastForward(command, quarantine))) {
      const note = `denying non-fast-forward ${name} (you should pull first)`;
      rejections.set(command, { reason: 'non-fast-forward', note });
    }
  }
  return rejections;
}

async function isFastForward({ oldOid, newOid }: RefCommand, quarantine: Quarantine): Promise<boolean> {
  if (isZeroOid(oldOid) || oldOid === newOid) return true;
  return quarantine.isAncestor(oldOid, newOid);
}
