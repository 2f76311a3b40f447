import { join } from 'node:path';
import { createAccounts, type Accounts, type RepositoryChanges, type UserIdentity } from '#accounts';
import { ManualClock, randomId, readSettings, silentLog, systemRandom, type Settings } from '#base';
import { openDatabase, type Database } from '#db';
import { startPostgres } from './postgres.ts';
import { temporaryDirectory } from './temporary.ts';

/** The real accounts on a real PostgreSQL, with a clock that the test moves and passwords hashed cheaply. */
export interface TestAccounts extends AsyncDisposable {
  readonly accounts: Accounts;
  readonly database: Database;
  readonly clock: ManualClock;
  /** Further accounts on the same database, as another node has them: with caches of their own. */
  another(settings?: Partial<Settings['accounts']>, changes?: RepositoryChanges): Accounts;
  /** Makes a user with the password `password`, and signs in. */
  signUp(login: string, options?: { readonly isAdmin?: boolean }): Promise<UserIdentity>;
}

export const password = 'correct horse battery';

/** `embedded`: the PostgreSQL that comes with the server; `url`: one of the machine's own, over TCP. */
export type Engine = 'embedded' | 'url';

async function openEngine(
  engine: Engine,
): Promise<{ readonly database: Database; readonly stop: () => Promise<void> }> {
  const settings = readSettings().database;
  if (engine === 'embedded') {
    const source = { embeddedDirectory: join(temporaryDirectory('accounts'), 'postgres') };
    const database = await openDatabase({ source, settings, log: silentLog });
    return { database, stop: () => database.close() };
  }
  const postgres = await startPostgres();
  const database = await openDatabase({ source: { url: postgres.url }, settings, log: silentLog });
  return {
    database,
    async stop() {
      await database.close();
      await postgres[Symbol.asyncDispose]();
    },
  };
}

export async function openTestAccounts(engine: Engine): Promise<TestAccounts> {
  const { database, stop } = await openEngine(engine);
  const clock = new ManualClock(Date.parse('2026-01-01T00:00:00Z'));
  const cheap = { ...readSettings().accounts, passwordMemoryBytes: 64 * 1024, passwordPasses: 1 };
  const another = (settings: Partial<Settings['accounts']> = {}, changes?: RepositoryChanges): Accounts =>
    createAccounts({
      database,
      changes,
      settings: { ...cheap, ...settings },
      clock,
      random: systemRandom,
      log: silentLog,
    });
  const accounts = another();
  return {
    accounts,
    database,
    clock,
    another,
    async signUp(login, { isAdmin = false } = {}) {
      await accounts.users.create({ login, email: `${login}@example.org`, password, isAdmin });
      return accounts.authenticator.byPassword(login, password, '192.0.2.1');
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** What a new repository is made of; its placement is of no interest to accounts. */
export function newRepository(ownerLogin: string, name: string, visibility: 'public' | 'private') {
  return {
    id: randomId(),
    ownerLogin,
    name,
    description: '',
    visibility,
    objectFormat: 'sha1',
    placement: { volumeId: 'volume', epoch: 1 },
  } as const;
}
