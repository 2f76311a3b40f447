import { PackhorseError, type Clock, type Log, type Random, type Settings } from '#base';
import type { Database } from '#db';
import type { RepositoryChanges } from './changes.ts';
import type { PasswordHasher } from './password.ts';
import type { VerifiedSecrets } from './verified-secrets.ts';

/** What every service of this room works with. */
export interface Context {
  readonly database: Database;
  readonly settings: Settings['accounts'];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly hasher: PasswordHasher;
  readonly verified: VerifiedSecrets;
  /** Undefined: nobody else works on this database. */
  readonly changes: RepositoryChanges | undefined;
}

/** Ids come from outside too: what cannot be one is not even looked up. */
export function isId(text: string): boolean {
  return /^[0-9a-z]{26}$/.test(text);
}

export function noSuchUser(): PackhorseError {
  return new PackhorseError('not_found', 'There is no such user.');
}

export function now(context: Pick<Context, 'clock'>): Date {
  return new Date(context.clock.nowMs());
}
