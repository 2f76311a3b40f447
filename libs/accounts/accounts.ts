import type { Clock, Log, Random, Settings } from '#base';
import type { Database } from '#db';
import { createAuthenticator } from './authenticator.ts';
import type { Context } from './context.ts';
import { createKeys } from './keys.ts';
import { PasswordHasher } from './password.ts';
import type { RepositoryChanges } from './changes.ts';
import { createPlacements } from './placements.ts';
import { RepositoryAccess } from './repository-access.ts';
import { createRepositories } from './repositories.ts';
import type { Accounts } from './services.ts';
import { createSessions } from './sessions.ts';
import { createTokens } from './tokens.ts';
import { createUsers } from './users.ts';
import { VerifiedSecrets } from './verified-secrets.ts';

export interface AccountsOptions {
  readonly database: Database;
  readonly settings: Settings['accounts'];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Where other nodes work on the same database. */
  readonly changes?: RepositoryChanges | undefined;
}

/** Accounts on a database. A change made through it is seen by it at once; by other nodes within the caches' time. */
export function createAccounts(options: AccountsOptions): Accounts {
  const { settings, clock, random } = options;
  const context: Context = {
    ...options,
    changes: options.changes,
    hasher: new PasswordHasher(settings, random),
    verified: new VerifiedSecrets(settings, clock, random),
  };
  const access = new RepositoryAccess(context);
  options.changes?.listen((repositoryId) => {
    if (repositoryId === undefined) access.forget();
    else access.forgetRepository(repositoryId);
  });
  return {
    authenticator: createAuthenticator(context),
    users: createUsers(context),
    tokens: createTokens(context),
    keys: createKeys(context),
    sessions: createSessions(context),
    repositories: createRepositories(context, access),
    placements: createPlacements(context, access),
  };
}
