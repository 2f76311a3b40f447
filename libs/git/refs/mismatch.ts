import { isZeroOid } from '#base';
import type { RefCommand } from '#wire';
import type { RefValue } from './loose-refs.ts';

/** The words of git for a ref that is not what was expected (refs/files-backend.c). */
export function cannotLock(name: string, detail: string): string {
  return `cannot lock ref '${name}': ${detail}`;
}

/** The detail of it where the old value is another one. */
export function mismatchDetail({ name, oldOid }: RefCommand, current: RefValue | undefined): string {
  if (current === undefined) return `unable to resolve reference '${name}'`;
  if (isZeroOid(oldOid)) return 'reference already exists';
  return current.kind === 'oid' ? `is at ${current.oid} but expected ${oldOid}` : 'reference is broken';
}

/** Why a ref's value is not what the command expects; undefined when it is. */
export function mismatch(command: RefCommand, current: RefValue | undefined): string | undefined {
  const mustExist = !isZeroOid(command.oldOid);
  if (current === undefined) return mustExist ? 'reference does not exist' : undefined;
  if (!mustExist) return 'reference already exists';
  if (current.kind === 'symref') return 'reference is symbolic and its target does not exist';
  if (current.kind === 'broken') return 'reference is broken';
  return current.oid === command.oldOid ? undefined : 'incorrect old value provided';
}
