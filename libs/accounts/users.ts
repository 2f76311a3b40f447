import { hasCode, PackhorseError, randomId } from '#base';
import { isId, noSuchUser, now, type Context } from './context.ts';
import { emailProblem, loginProblem, nameKey, passwordProblem, requireValid } from './names.ts';
import type { UserRecord, Users } from './services.ts';

const select = { id: true, login: true, email: true, isAdmin: true, createdAt: true } as const;

/** Says which of the two names is taken. */
function explainTaken(error: unknown): unknown {
  if (!hasCode(error, 'already_exists')) return error;
  const isEmail = error.metadata['constraint'] === 'user_email_key_key';
  const message = isEmail
    ? 'Another user has this email address.'
    : 'This login is taken. Choose another one.';
  return new PackhorseError('already_exists', message, { cause: error });
}

export function createUsers(context: Context): Users {
  const { database, hasher, random, verified } = context;
  return {
    async create({ login, email, password, isAdmin }): Promise<UserRecord> {
      requireValid(loginProblem(login), emailProblem(email), passwordProblem(password));
      const data = {
        id: randomId(random),
        login,
        loginKey: nameKey(login),
        email,
        emailKey: nameKey(email),
        isAdmin,
        passwordHash: await hasher.hash(password),
        createdAt: now(context),
      };
      try {
        return await database.run((client) => client.user.create({ data, select }));
      } catch (error) {
        throw explainTaken(error);
      }
    },

    async find(login): Promise<UserRecord | undefined> {
      if (loginProblem(login) !== undefined) return undefined;
      const where = { loginKey: nameKey(login) };
      return (await database.run((client) => client.user.findUnique({ where, select }))) ?? undefined;
    },

    async list({ limit, after }): Promise<readonly UserRecord[]> {
      const where = after === undefined ? {} : { loginKey: { gt: nameKey(after).replaceAll('\0', '') } };
      return database.run((client) =>
        client.user.findMany({ where, select, orderBy: { loginKey: 'asc' }, take: limit }),
      );
    },

    async setPassword(userId, password): Promise<void> {
      requireValid(passwordProblem(password));
      if (!isId(userId)) throw noSuchUser();
      const passwordHash = await hasher.hash(password);
      const { count } = await database.transaction(async (client) => {
        // Whoever may have learnt the old password is signed out everywhere.
        await client.webSession.deleteMany({ where: { userId } });
        return client.user.updateMany({ where: { id: userId }, data: { passwordHash } });
      });
      verified.forgetUser(userId);
      if (count === 0) throw noSuchUser();
    },
  };
}
