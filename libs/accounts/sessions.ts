import { hasCode } from '#base';
import { isId, noSuchUser, now, type Context } from './context.ts';
import { createSessionSecret, hashSecret } from './secret.ts';
import type { Sessions } from './services.ts';

export function createSessions(context: Context): Sessions {
  const { clock, database, random, settings, verified } = context;
  return {
    async open(userId) {
      if (!isId(userId)) throw noSuchUser();
      const secret = createSessionSecret(random);
      const createdAt = now(context);
      const data = {
        hash: hashSecret(secret),
        userId,
        createdAt,
        expiresAt: new Date(clock.nowMs() + settings.sessionMs),
      };
      await database
        .run((client) => client.webSession.create({ data }))
        .catch((error: unknown) => {
          throw hasCode(error, 'not_found') ? noSuchUser() : error;
        });
      // The moment at which old ones are cleared away: those that ended, and the oldest past the limit.
      const excess = await database.run(async (client) => {
        await client.webSession.deleteMany({ where: { userId, expiresAt: { lte: createdAt } } });
        return client.webSession.findMany({
          where: { userId },
          select: { hash: true },
          orderBy: { expiresAt: 'desc' },
          skip: settings.maxSessionsPerUser,
        });
      });
      if (excess.length > 0) {
        const hashes = excess.map((session) => session.hash);
        await database.run((client) => client.webSession.deleteMany({ where: { hash: { in: hashes } } }));
        verified.forgetUser(userId);
      }
      return secret;
    },

    async close(secret) {
      await database.run((client) => client.webSession.deleteMany({ where: { hash: hashSecret(secret) } }));
      verified.forgetSession(secret);
    },
  };
}
