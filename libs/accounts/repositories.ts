import { hasCode, PackhorseError } from '#base';
import type { Prisma } from '#db';
import { now, type Context } from './context.ts';
import type { Identity, UserIdentity } from './identity.ts';
import { descriptionProblem, loginProblem, nameKey, repositoryNameProblem, requireValid } from './names.ts';
import {
  isSiteAdmin,
  mayManageAccount,
  maySeeWith,
  repositoryRoles,
  type RepositoryRole,
} from './permissions.ts';
import { completePlacement } from './repository.ts';
import { include, type RepositoryAccess, toRecord } from './repository-access.ts';
import type { Repositories } from './services.ts';

function requireSignedIn(identity: Identity): UserIdentity {
  if (identity.kind === 'user') return identity;
  throw new PackhorseError('unauthenticated', 'Sign in first.');
}

/** What `identity` may see in a list. */
function visibleTo(identity: Identity): Prisma.RepositoryWhereInput {
  if (isSiteAdmin(identity)) return {};
  if (identity.kind === 'anonymous') return { visibility: 'public' };
  const { userId } = identity;
  const roles = repositoryRoles.filter((role) => maySeeWith(identity, role));
  const own = maySeeWith(identity, 'admin') ? [{ ownerId: userId }] : [];
  return { OR: [{ visibility: 'public' }, ...own, { grants: { some: { userId, role: { in: roles } } } }] };
}

/** Rows whose `OWNER/NAME` comes after it. */
function following(after: string | undefined): Prisma.RepositoryWhereInput {
  if (after === undefined) return {};
  const [ownerKey = '', name = ''] = nameKey(after).replaceAll('\0', '').split('/');
  return { OR: [{ ownerKey: { gt: ownerKey } }, { ownerKey, nameKey: { gt: name } }] };
}

function nameTaken(cause?: unknown): PackhorseError {
  return new PackhorseError('already_exists', 'This owner already has a repository of that name.', { cause });
}

function explainTaken(error: unknown): unknown {
  return hasCode(error, 'already_exists') ? nameTaken(error) : error;
}

export function createRepositories(context: Context, access: RepositoryAccess): Repositories {
  const { database, settings } = context;
  const changed = (repositoryId: string): void => {
    access.forgetRepository(repositoryId);
    context.changes?.announce(repositoryId);
  };

  async function requireOwner(identity: Identity, ownerLogin: string): Promise<{ readonly id: string }> {
    const user = requireSignedIn(identity);
    const isOwn = nameKey(user.login) === nameKey(ownerLogin);
    if (!mayManageAccount(user)) {
      throw new PackhorseError('permission_denied', 'Your access token does not have the scope "account".');
    }
    if (!isOwn && !isSiteAdmin(user)) {
      throw new PackhorseError('permission_denied', 'You may only create repositories below your own login.');
    }
    const owner =
      loginProblem(ownerLogin) === undefined
        ? await database.run((client) =>
            client.user.findUnique({
              where: { loginKey: nameKey(ownerLogin) },
              select: { id: true, _count: { select: { repositories: true } } },
            }),
          )
        : null;
    if (owner === null) throw new PackhorseError('not_found', 'There is no user with that login.');
    if (owner._count.repositories >= settings.maxRepositoriesPerOwner) {
      throw new PackhorseError('resource_exhausted', 'This owner has too many repositories.');
    }
    return owner;
  }

  async function setRole(repositoryId: string, userId: string, role: RepositoryRole): Promise<void> {
    const count = await database.run((client) =>
      client.repositoryGrant.count({ where: { repositoryId, NOT: { userId } } }),
    );
    if (count >= settings.maxCollaborators) {
      throw new PackhorseError('resource_exhausted', 'This repository has too many collaborators.');
    }
    const key = { repositoryId, userId };
    await database.run((client) =>
      client.repositoryGrant.upsert({
        where: { repositoryId_userId: key },
        create: { ...key, role, createdAt: now(context) },
        update: { role },
      }),
    );
  }

  return {
    forget: () => access.forget(),

    authorise: (identity, ownerLogin, name, action) => access.byName(identity, ownerLogin, name, action),

    async checkCreate(identity, ownerLogin, name) {
      await requireOwner(identity, ownerLogin);
      requireValid(repositoryNameProblem(name));
      const key = { ownerKey: nameKey(ownerLogin), nameKey: nameKey(name) };
      const taken = await database.run((client) =>
        client.repository.findUnique({ where: { ownerKey_nameKey: key }, select: { id: true } }),
      );
      if (taken !== null) throw nameTaken();
    },

    async create(identity, { id, ownerLogin, name, description, visibility, objectFormat, placement }) {
      const owner = await requireOwner(identity, ownerLogin);
      requireValid(repositoryNameProblem(name), descriptionProblem(description));
      const placed = completePlacement(placement);
      const data = {
        id,
        ownerId: owner.id,
        ownerKey: nameKey(ownerLogin),
        name,
        nameKey: nameKey(name),
        description,
        visibility,
        objectFormat,
        ...placed,
        replicas: { create: placed.replicas.map((volumeId) => ({ volumeId })) },
        createdAt: now(context),
      };
      try {
        return toRecord(await database.run((client) => client.repository.create({ data, include })));
      } catch (error) {
        throw explainTaken(error);
      }
    },

    async list(identity, { limit, after, ownerLogin }) {
      const owner = ownerLogin === undefined ? {} : { ownerKey: nameKey(ownerLogin).replaceAll('\0', '') };
      const where = { AND: [visibleTo(identity), following(after), owner] };
      const orderBy = [{ ownerKey: 'asc' }, { nameKey: 'asc' }] as const;
      const rows = await database.run((client) =>
        client.repository.findMany({ where, orderBy: [...orderBy], take: limit, include }),
      );
      return rows.map(toRecord);
    },

    async update(identity, repositoryId, change) {
      await access.administered(identity, repositoryId);
      const { description, visibility, name } = change;
      requireValid(
        name === undefined ? undefined : repositoryNameProblem(name),
        description === undefined ? undefined : descriptionProblem(description),
      );
      const data = {
        ...(description === undefined ? {} : { description }),
        ...(visibility === undefined ? {} : { visibility }),
        ...(name === undefined ? {} : { name, nameKey: nameKey(name) }),
      };
      try {
        return toRecord(
          await database.run((client) =>
            client.repository.update({ where: { id: repositoryId }, data, include }),
          ),
        );
      } catch (error) {
        throw explainTaken(error);
      } finally {
        changed(repositoryId);
      }
    },

    async remove(identity, repositoryId) {
      await access.administered(identity, repositoryId);
      await database.run((client) => client.repository.deleteMany({ where: { id: repositoryId } }));
      changed(repositoryId);
    },

    async grant(identity, repositoryId, login, role) {
      const record = await access.administered(identity, repositoryId);
      const user =
        loginProblem(login) === undefined
          ? await database.run((client) => client.user.findUnique({ where: { loginKey: nameKey(login) } }))
          : null;
      if (user === null) throw new PackhorseError('not_found', 'There is no user with that login.');
      if (user.id === record.ownerId) {
        throw new PackhorseError('invalid_argument', 'The owner may do everything already.');
      }
      if (role === undefined) {
        const where = { repositoryId, userId: user.id };
        await database.run((client) => client.repositoryGrant.deleteMany({ where }));
      } else {
        await setRole(repositoryId, user.id, role);
      }
      changed(repositoryId);
    },

    async collaborators(identity, repositoryId) {
      await access.administered(identity, repositoryId);
      const rows = await database.run((client) =>
        client.repositoryGrant.findMany({
          where: { repositoryId },
          include: { user: { select: { login: true } } },
          orderBy: { user: { loginKey: 'asc' } },
        }),
      );
      return rows.map(({ user, role }) => ({ login: user.login, role }));
    },
  };
}
