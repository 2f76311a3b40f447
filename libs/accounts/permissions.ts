import type { Identity, Scope, UserIdentity } from './identity.ts';
import type { RepositoryRecord } from './repository.ts';

export const repositoryRoles = ['reader', 'writer', 'admin'] as const;

export type RepositoryAction = 'read' | 'write' | 'admin';
export type RepositoryRole = (typeof repositoryRoles)[number];

/**
 * `authenticate`: nothing is said before a login, so that private names do not leak;
 * `hide`: answer as if the repository did not exist; `deny`: it is visible, but this is not allowed.
 */
export type Decision = 'allow' | 'authenticate' | 'hide' | 'deny';

const roleActions: Readonly<Record<RepositoryRole, readonly RepositoryAction[]>> = {
  reader: ['read'],
  writer: ['read', 'write'],
  admin: ['read', 'write', 'admin'],
};

const actionScopes: Readonly<Record<RepositoryAction, readonly Scope[]>> = {
  read: ['repo:read', 'repo:write', 'admin'],
  write: ['repo:write', 'admin'],
  admin: ['account', 'admin'],
};

/** The power over everybody's things: an administrator's, through a token only with the scope `admin`. */
export function isSiteAdmin(identity: Identity): boolean {
  return identity.kind === 'user' && identity.isAdmin && identity.scopes.has('admin');
}

/** What one's own account, keys, tokens and new repositories need. */
export function mayManageAccount(identity: UserIdentity): boolean {
  return actionScopes.admin.some((scope) => identity.scopes.has(scope));
}

function mayAct(identity: UserIdentity, role: RepositoryRole, action: RepositoryAction): boolean {
  return (
    roleActions[role].includes(action) && actionScopes[action].some((scope) => identity.scopes.has(scope))
  );
}

/** Whoever may do anything with a repository may know that it exists. */
export function maySeeWith(identity: UserIdentity, role: RepositoryRole): boolean {
  return roleActions[role].some((action) => mayAct(identity, role, action));
}

/**
 * The one place where access to a repository is decided. `repository` is undefined when there is
 * none of that name; `role` is what was granted to this user on it, if anything.
 */
export function decide(
  identity: Identity,
  repository: Pick<RepositoryRecord, 'ownerId' | 'visibility'> | undefined,
  role: RepositoryRole | undefined,
  action: RepositoryAction,
): Decision {
  const isPublic = repository?.visibility === 'public';
  // A public repository can be read with any valid login, whatever the token was made for.
  if (isPublic && action === 'read') return 'allow';
  if (identity.kind === 'anonymous') return 'authenticate';
  if (repository === undefined) return 'hide';
  const hasAllRights = isSiteAdmin(identity) || identity.userId === repository.ownerId;
  const granted = hasAllRights ? 'admin' : role;
  if (granted !== undefined && mayAct(identity, granted, action)) return 'allow';
  const maySee = isPublic || (granted !== undefined && maySeeWith(identity, granted));
  return maySee ? 'deny' : 'hide';
}
