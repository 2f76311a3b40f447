import type { Identity, UserIdentity, UserRecord } from '#accounts';
import { PackhorseError } from '#base';
import type { Context } from './context.ts';

/**
 * Who may manage accounts through the API: oneself with the scope `account`, everyone as an
 * administrator with the scope `admin`. Access to repositories is decided by `accounts`.
 */

/** Throws `unauthenticated` for an anonymous caller. */
export function signedIn(identity: Identity): UserIdentity {
  if (identity.kind === 'user') return identity;
  throw new PackhorseError(
    'unauthenticated',
    'This needs a login: send a token as "Authorization: Bearer TOKEN".',
  );
}

export function isAdministrator(identity: Identity): boolean {
  return identity.kind === 'user' && identity.isAdmin && identity.scopes.has('admin');
}

/** Throws `permission_denied`, naming the missing scope when only that is missing. */
export function requireAdministrator(identity: Identity): UserIdentity {
  const user = signedIn(identity);
  if (isAdministrator(user)) return user;
  throw new PackhorseError(
    'permission_denied',
    user.isAdmin ? 'This token lacks the scope "admin".' : 'Only an administrator may do this.',
  );
}

/** May the caller see and change this user's tokens, keys and email address? */
export function mayManage(identity: Identity, userId: string): boolean {
  if (isAdministrator(identity)) return true;
  return identity.kind === 'user' && identity.userId === userId && identity.scopes.has('account');
}

/**
 * The user whose tokens, keys or password are managed: `login`, or the caller when it is absent.
 * Throws `permission_denied` before it says whether that user exists.
 */
export async function managedUser(context: Context, login: string | null | undefined): Promise<UserRecord> {
  const caller = signedIn(context.identity);
  const wanted = login ?? caller.login;
  if (wanted.toLowerCase() !== caller.login.toLowerCase()) requireAdministrator(caller);
  else if (!isAdministrator(caller) && !caller.scopes.has('account')) {
    throw new PackhorseError('permission_denied', 'This token lacks the scope "account".');
  }
  return existingUser(context, wanted);
}

/** Throws `not_found` when there is no such user. */
export async function existingUser(context: Context, login: string): Promise<UserRecord> {
  const user = await context.accounts.users.find(login);
  if (user !== undefined) return user;
  throw new PackhorseError('not_found', 'There is no user of that name.', { metadata: { login } });
}
