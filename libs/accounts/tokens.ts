import { PackhorseError, randomId } from '#base';
import { isId, noSuchUser, now, type Context } from './context.ts';
import { isScope, scopes } from './identity.ts';
import { requireValid, titleProblem } from './names.ts';
import { createToken, hashSecret } from './secret.ts';
import type { TokenRecord, Tokens } from './services.ts';

const select = {
  id: true,
  name: true,
  scopes: true,
  createdAt: true,
  expiresAt: true,
  lastUsedAt: true,
} as const;

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

function toRecord(row: TokenRow): TokenRecord {
  return {
    ...row,
    scopes: row.scopes.filter(isScope),
    expiresAt: row.expiresAt ?? undefined,
    lastUsedAt: row.lastUsedAt ?? undefined,
  };
}

function scopesProblem(wanted: readonly string[]): string | undefined {
  if (wanted.length === 0) return `A token needs at least one scope: ${scopes.join(', ')}.`;
  return wanted.every(isScope) ? undefined : `A token's scopes can be: ${scopes.join(', ')}.`;
}

export function createTokens(context: Context): Tokens {
  const { database, random, settings, verified } = context;

  async function requireAllowed(userId: string, wantsAdmin: boolean): Promise<void> {
    const user = isId(userId)
      ? await database.run((client) =>
          client.user.findUnique({
            where: { id: userId },
            select: { isAdmin: true, _count: { select: { tokens: true } } },
          }),
        )
      : null;
    if (user === null) throw noSuchUser();
    if (wantsAdmin && !user.isAdmin) {
      throw new PackhorseError(
        'permission_denied',
        'Only an administrator can have a token with the scope "admin".',
      );
    }
    if (user._count.tokens >= settings.maxTokensPerUser) {
      throw new PackhorseError(
        'resource_exhausted',
        'You have too many tokens. Revoke those that you do not use.',
      );
    }
  }

  return {
    async create(userId, { name, scopes: wanted, expiresAt }) {
      const isPast = expiresAt !== undefined && !(expiresAt.getTime() > context.clock.nowMs());
      requireValid(
        titleProblem(name),
        scopesProblem(wanted),
        isPast ? 'A token must expire in the future.' : undefined,
      );
      await requireAllowed(userId, wanted.includes('admin'));
      const token = createToken(random);
      const data = {
        id: randomId(random),
        userId,
        name: name.trim(),
        hash: hashSecret(token),
        scopes: scopes.filter((scope) => wanted.includes(scope)),
        createdAt: now(context),
        expiresAt: expiresAt ?? null,
      };
      const row = await database.run((client) => client.accessToken.create({ data, select }));
      return { token, record: toRecord(row) };
    },

    async list(userId) {
      if (!isId(userId)) return [];
      const rows = await database.run((client) =>
        client.accessToken.findMany({
          where: { userId },
          select,
          orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
        }),
      );
      return rows.map(toRecord);
    },

    async revoke(userId, tokenId) {
      const isPossible = isId(userId) && isId(tokenId);
      const { count } = isPossible
        ? await database.run((client) => client.accessToken.deleteMany({ where: { id: tokenId, userId } }))
        : { count: 0 };
      verified.forgetUser(userId);
      if (count === 0) throw new PackhorseError('not_found', 'There is no such token.');
    },
  };
}
