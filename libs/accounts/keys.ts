import { hasCode, PackhorseError, randomId } from '#base';
import { isId, noSuchUser, now, type Context } from './context.ts';
import { requireValid, titleProblem } from './names.ts';
import { formatFingerprint, parsePublicKey } from './public-key.ts';
import type { KeyRecord, Keys } from './services.ts';

const select = { id: true, title: true, algorithm: true, fingerprint: true, createdAt: true } as const;

function toRecord(row: Omit<KeyRecord, 'fingerprint'> & { readonly fingerprint: Uint8Array }): KeyRecord {
  return { ...row, fingerprint: formatFingerprint(row.fingerprint) };
}

export function createKeys(context: Context): Keys {
  const { database, random, settings } = context;

  async function requireRoom(userId: string): Promise<void> {
    const user = isId(userId)
      ? await database.run((client) =>
          client.user.findUnique({ where: { id: userId }, select: { _count: { select: { keys: true } } } }),
        )
      : null;
    if (user === null) throw noSuchUser();
    if (user._count.keys >= settings.maxKeysPerUser) {
      throw new PackhorseError(
        'resource_exhausted',
        'You have too many SSH keys. Remove those that you do not use.',
      );
    }
  }

  return {
    async add(userId, { title, publicKey }) {
      const key = parsePublicKey(publicKey);
      // A key's comment says where it comes from; without one its algorithm must do.
      const name = (title ?? (titleProblem(key.comment) === undefined ? key.comment : key.algorithm)).trim();
      requireValid(titleProblem(name));
      await requireRoom(userId);
      const data = {
        id: randomId(random),
        userId,
        title: name,
        algorithm: key.algorithm,
        blob: Uint8Array.from(key.blob),
        fingerprint: key.fingerprint,
        createdAt: now(context),
      };
      try {
        return toRecord(await database.run((client) => client.sshKey.create({ data, select })));
      } catch (error) {
        if (!hasCode(error, 'already_exists')) throw error;
        throw new PackhorseError(
          'already_exists',
          'This key is in use already. Every key belongs to one user.',
          {
            cause: error,
          },
        );
      }
    },

    async list(userId) {
      if (!isId(userId)) return [];
      const rows = await database.run((client) =>
        client.sshKey.findMany({ where: { userId }, select, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] }),
      );
      return rows.map(toRecord);
    },

    async remove(userId, keyId) {
      const isPossible = isId(userId) && isId(keyId);
      const { count } = isPossible
        ? await database.run((client) => client.sshKey.deleteMany({ where: { id: keyId, userId } }))
        : { count: 0 };
      if (count === 0) throw new PackhorseError('not_found', 'There is no such key.');
    },
  };
}
