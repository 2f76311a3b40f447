import type { Identity, Scope } from './identity.ts';
import type { RepositoryRecord } from './repository.ts';

export type RepositoryAction = 'read' | 'write' | 'admin';
export type RepositoryRole = 'reader' | 'writer' | 'admin';

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
  if (identity.kind === 'anonymous') return isPublic && action === 'read' ? 'allow' : 'authenticate';
  if (repository === undefined) return 'hide';
  const granted = identity.isAdmin || identity.userId === repository.ownerId ? 'admin' : role;
  const hasScope = actionScopes[action].some((scope) => identity.scopes.has(scope));
  // A public repository can be read with any valid login, whatever the token was made for.
  if (isPublic && action === 'read') return 'allow';
  const mayAtAll = granted !== undefined && roleActions[granted].includes(action);
  if (mayAtAll && hasScope) return 'allow';
  const maySee =
    isPublic || (granted !== undefined && actionScopes.read.some((scope) => identity.scopes.has(scope)));
  return maySee ? 'deny' : 'hide';
}
