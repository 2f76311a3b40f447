import { PackhorseError } from '#base';
import type { Prisma } from '#db';
import { isId, type Context } from './context.ts';
import { scopes, type Identity } from './identity.ts';
import { loginProblem, nameKey, repositoryNameProblem } from './names.ts';
import { decide, type RepositoryAction, type RepositoryRole } from './permissions.ts';
import { ReadThroughCache } from './read-through-cache.ts';
import type { Placement, RepositoryRecord } from './repository.ts';

/** What a record needs besides its own row. */
export const include = {
  owner: { select: { login: true } },
  replicas: { select: { volumeId: true }, orderBy: { volumeId: 'asc' } },
} as const;
type Row = Prisma.RepositoryGetPayload<{ include: typeof include }>;

/** Rows read with `include`. */
export function toRecord(row: Row): RepositoryRecord {
  const { id, ownerId, name, description, visibility, objectFormat, createdAt } = row;
  return {
    id,
    ownerId,
    ownerLogin: row.owner.login,
    name,
    description,
    visibility,
    objectFormat,
    createdAt,
    placement: toPlacement(row),
  };
}

export function toPlacement(row: Omit<Row, 'owner'>): Placement {
  const { volumeId, epoch, region, durability } = row;
  const replicas = row.replicas.map((replica) => replica.volumeId);
  return { volumeId, epoch, replicas, region, durability };
}

const refusals: Readonly<Record<RepositoryAction, string>> = {
  read: 'You may not read this repository.',
  write: 'You may not push to this repository.',
  admin: 'You may not administer this repository.',
};

/** Throws what `decide` says, unless it is `allow`. */
function enforce(
  identity: Identity,
  record: RepositoryRecord | undefined,
  role: RepositoryRole | undefined,
  action: RepositoryAction,
): asserts record is RepositoryRecord {
  switch (decide(identity, record, role, action)) {
    case 'allow':
      if (record !== undefined) return;
      break;
    case 'authenticate':
      throw new PackhorseError(
        'unauthenticated',
        'Sign in first: this repository is private, or does not exist.',
      );
    case 'deny': {
      const unlimited = identity.kind === 'user' ? { ...identity, scopes: new Set(scopes) } : identity;
      const lacksScope = decide(unlimited, record, role, action) === 'allow';
      throw new PackhorseError(
        'permission_denied',
        lacksScope ? 'Your access token does not have the scope for this.' : refusals[action],
      );
    }
    case 'hide':
      break;
  }
  throw new PackhorseError('not_found', 'There is no such repository, or you may not see it.');
}

/**
 * Who may do what with which repository, as `decide` says, on records and roles from the database.
 * Every Git request asks here, so both are remembered for a moment.
 */
export class RepositoryAccess {
  readonly #context: Context;
  readonly #records: ReadThroughCache<RepositoryRecord>;
  readonly #roles: ReadThroughCache<RepositoryRole>;

  constructor(context: Context) {
    const { clock, settings } = context;
    const options = { maxEntries: settings.accessCacheEntries, lifetimeMs: settings.accessCacheMs, clock };
    this.#context = context;
    this.#records = new ReadThroughCache(options);
    this.#roles = new ReadThroughCache(options);
  }

  /** All is read anew. */
  forget(): void {
    this.#records.forget();
    this.#roles.forget();
  }

  /** What concerns one repository is read anew, because it was changed, here or elsewhere. */
  forgetRepository(repositoryId: string): void {
    this.#records.forget(({ id }) => id === repositoryId);
    this.#roles.forget((_role, key) => key.startsWith(`${repositoryId}/`));
  }

  /** The record of OWNER/NAME for somebody who may do `action`; throws as `Repositories.authorise`. */
  async byName(
    identity: Identity,
    ownerLogin: string,
    name: string,
    action: RepositoryAction,
  ): Promise<RepositoryRecord> {
    return this.#authorise(identity, await this.#find(ownerLogin, name), action);
  }

  /** The record as it is now, for somebody who administers the repository. */
  async administered(identity: Identity, repositoryId: string): Promise<RepositoryRecord> {
    const row = isId(repositoryId)
      ? await this.#context.database.run((client) =>
          client.repository.findUnique({ where: { id: repositoryId }, include }),
        )
      : null;
    return this.#authorise(identity, row === null ? undefined : toRecord(row), 'admin');
  }

  async #authorise(
    identity: Identity,
    record: RepositoryRecord | undefined,
    action: RepositoryAction,
  ): Promise<RepositoryRecord> {
    // Most requests are decided without asking for a role.
    const isClear = decide(identity, record, undefined, action) === 'allow';
    enforce(identity, record, isClear ? undefined : await this.#findRole(identity, record), action);
    return record;
  }

  async #find(ownerLogin: string, name: string): Promise<RepositoryRecord | undefined> {
    // What cannot be a name is not looked up.
    if (loginProblem(ownerLogin) !== undefined || repositoryNameProblem(name) !== undefined) return undefined;
    const key = { ownerKey: nameKey(ownerLogin), nameKey: nameKey(name) };
    return this.#records.read(`${key.ownerKey}/${key.nameKey}`, async () => {
      const row = await this.#context.database.run((client) =>
        client.repository.findUnique({ where: { ownerKey_nameKey: key }, include }),
      );
      return row === null ? undefined : { value: toRecord(row) };
    });
  }

  async #findRole(
    identity: Identity,
    record: RepositoryRecord | undefined,
  ): Promise<RepositoryRole | undefined> {
    if (identity.kind === 'anonymous' || record === undefined) return undefined;
    const key = { repositoryId: record.id, userId: identity.userId };
    return this.#roles.read(`${key.repositoryId}/${key.userId}`, async () => {
      const row = await this.#context.database.run((client) =>
        client.repositoryGrant.findUnique({ where: { repositoryId_userId: key } }),
      );
      return row === null ? undefined : { value: row.role };
    });
  }
}
