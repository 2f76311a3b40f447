import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PackhorseError } from '#base';

/** The ids under which PostgreSQL runs, when the server itself is root: it refuses to run as root. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Accounts that a Debian machine has; the first that exists is taken. */
const candidates = ['postgres', 'nobody'];

function parsePasswd(text: string): ReadonlyMap<string, Account> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [name, , uid, gid] = line.split(':');
      return name === undefined || uid === undefined || gid === undefined
        ? []
        : [[name, { uid: Number(uid), gid: Number(gid) }] as const];
    }),
  );
}

/** Who owns `path`; undefined when it does not exist or belongs to root. */
async function unprivilegedOwner(path: string): Promise<Account | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined || found.uid === 0 ? undefined : { uid: found.uid, gid: found.gid };
}

/**
 * The account for a cluster in `directory`: undefined means the server's own. A directory that
 * already belongs to somebody stays theirs. Throws `failed_precondition` when there is no account to use.
 */
export async function chooseAccount(directory: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await unprivilegedOwner(directory);
  if (owner !== undefined) return owner;
  const accounts = parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''));
  const account = candidates.map((name) => accounts.get(name)).find((found) => found !== undefined);
  if (account !== undefined) return account;
  throw new PackhorseError(
    'failed_precondition',
    'The embedded database cannot run as root, and there is no account `postgres` or `nobody`. Create one, run the server as another user, or give --database-url.',
  );
}

/** True when `account` may pass through every directory above `path` (by mode bits). */
export async function mayReach(path: string, account: Account): Promise<boolean> {
  for (let at = dirname(path); ; at = dirname(at)) {
    const { mode, uid, gid } = await stat(at);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
