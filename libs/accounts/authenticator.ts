import { PackhorseError } from '#base';
import { now, type Context } from './context.ts';
import { FailedLogins } from './failed-logins.ts';
import { isScope, scopes, type Scope, type UserIdentity } from './identity.ts';
import { emailProblem, nameKey, placeholderLogins } from './names.ts';
import { keyFingerprint } from './public-key.ts';
import { hashSecret, isWellFormedToken, sameBytes, tokenPrefix } from './secret.ts';
import type { Authenticator, PublicKey } from './services.ts';
import type { Loaded } from './read-through-cache.ts';

interface UserRow {
  readonly id: string;
  readonly login: string;
  readonly email: string;
  readonly isAdmin: boolean;
}

/** Longer than any login or email address: what is beyond it makes no difference. */
const maxLoginKeyLength = 255;

const everyScope: ReadonlySet<Scope> = new Set(scopes);

function identify(
  user: UserRow,
  via: UserIdentity['via'],
  granted: ReadonlySet<Scope> = everyScope,
): UserIdentity {
  const { id, login, email, isAdmin } = user;
  return { kind: 'user', userId: id, login, email, isAdmin, via, scopes: granted };
}

/** The same for every reason, so that it tells nothing to somebody who guesses. */
function rejected(): PackhorseError {
  return new PackhorseError(
    'unauthenticated',
    'The login, the password or the token is wrong, or no longer valid.',
  );
}

async function findByLogin(context: Context, key: string) {
  if (key.includes('@')) {
    if (emailProblem(key) !== undefined) return null;
    return context.database.run((client) => client.user.findUnique({ where: { emailKey: key } }));
  }
  // What cannot be a login may not even be text that PostgreSQL accepts.
  if (!/^[a-z0-9._-]+$/.test(key)) return null;
  return context.database.run((client) => client.user.findUnique({ where: { loginKey: key } }));
}

async function checkPassword(
  context: Context,
  key: string,
  password: string,
): Promise<Loaded<UserIdentity> | undefined> {
  const user = await findByLogin(context, key);
  const { matches, isOutdated } = await context.hasher.verify(password, user?.passwordHash);
  if (!matches || user === null) return undefined;
  if (isOutdated) {
    const passwordHash = await context.hasher.hash(password);
    // Only over the hash that was verified: the password may have been changed in the meantime.
    await context.database.run((client) =>
      client.user.updateMany({
        where: { id: user.id, passwordHash: user.passwordHash },
        data: { passwordHash },
      }),
    );
  }
  return { value: identify(user, 'password') };
}

/** Written at most every `tokenUseResolutionMs`: a clone must not cost a write. */
async function noteUse(context: Context, token: { readonly id: string; readonly lastUsedAt: Date | null }) {
  const before = context.clock.nowMs() - context.settings.tokenUseResolutionMs;
  if (token.lastUsedAt !== null && token.lastUsedAt.getTime() > before) return;
  try {
    await context.database.run((client) =>
      client.accessToken.updateMany({ where: { id: token.id }, data: { lastUsedAt: now(context) } }),
    );
  } catch (error) {
    context.log.warn('could not note the use of a token', { error });
  }
}

async function checkToken(context: Context, token: string): Promise<Loaded<UserIdentity> | undefined> {
  if (!isWellFormedToken(token)) return undefined;
  const hash = hashSecret(token);
  const row = await context.database.run((client) =>
    client.accessToken.findUnique({ where: { hash }, include: { user: true } }),
  );
  if (row === null || !sameBytes(row.hash, hash)) return undefined;
  const expiresAtMs = row.expiresAt?.getTime();
  if (expiresAtMs !== undefined && expiresAtMs <= context.clock.nowMs()) return undefined;
  await noteUse(context, row);
  return { value: identify(row.user, 'token', new Set(row.scopes.filter(isScope))), expiresAtMs };
}

async function checkSession(context: Context, secret: string): Promise<Loaded<UserIdentity> | undefined> {
  const hash = hashSecret(secret);
  const row = await context.database.run((client) =>
    client.webSession.findUnique({ where: { hash }, include: { user: true } }),
  );
  if (row === null || !sameBytes(row.hash, hash)) return undefined;
  const expiresAtMs = row.expiresAt.getTime();
  if (expiresAtMs <= context.clock.nowMs()) return undefined;
  return { value: identify(row.user, 'session'), expiresAtMs };
}

export function createAuthenticator(context: Context): Authenticator {
  const { verified, database } = context;
  const failedLogins = new FailedLogins(context.settings, context.clock);

  async function byToken(token: string): Promise<UserIdentity> {
    const identity = await verified.identify('token', '', token, () => checkToken(context, token));
    if (identity === undefined) throw rejected();
    return identity;
  }

  return {
    byToken,

    async byPassword(login, secret, remoteAddress) {
      const key = nameKey(login).slice(0, maxLoginKeyLength);
      if (secret.startsWith(tokenPrefix)) {
        const identity = await byToken(secret);
        const isTheirs =
          placeholderLogins.has(key) || [identity.login, identity.email].some((own) => nameKey(own) === key);
        if (isTheirs) return identity;
        throw rejected();
      }
      const identity = await verified.identify('password', key, secret, async () => {
        const settle = failedLogins.begin(key, remoteAddress);
        try {
          const found = await checkPassword(context, key, secret);
          if (found !== undefined) settle('succeeded');
          return found;
        } catch (error) {
          settle('undecided');
          throw error;
        }
      });
      if (identity === undefined) throw rejected();
      return identity;
    },

    async byKey(key: PublicKey) {
      const row = await database.run((client) =>
        client.sshKey.findUnique({
          where: { fingerprint: keyFingerprint(key.blob) },
          include: { user: true },
        }),
      );
      return row !== null && sameBytes(row.blob, key.blob) ? identify(row.user, 'key') : undefined;
    },

    bySession: async (secret) =>
      verified.identify('session', '', secret, () => checkSession(context, secret)),
  };
}
