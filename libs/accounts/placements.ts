import type { DatabaseClient } from '#db';
import { isId, now, type Context } from './context.ts';
import type { Placement } from './repository.ts';
import { include, type RepositoryAccess, toPlacement } from './repository-access.ts';
import type { Placements } from './services.ts';

const { replicas } = include;

export function createPlacements(context: Context, access: RepositoryAccess): Placements {
  const { database } = context;

  async function read(client: DatabaseClient, id: string): Promise<Placement | undefined> {
    const row = isId(id)
      ? await client.repository.findUnique({ where: { id }, include: { replicas } })
      : null;
    return row === null ? undefined : toPlacement(row);
  }

  /** Changes the row if it is still at `epoch`, and what belongs to it in the same transaction. */
  async function change(
    id: string,
    epoch: number,
    data: { readonly volumeId?: string; readonly epoch?: number; readonly durability?: number },
    follow: (client: DatabaseClient, before: Placement) => Promise<void>,
  ): Promise<Placement | undefined> {
    const placement = await database.transaction(async (client) => {
      const before = await read(client, id);
      // The condition is part of the update, so whatever happens between the two is seen.
      const { count } = await client.repository.updateMany({ where: { id, epoch }, data });
      if (count === 0 || before === undefined) return undefined;
      await follow(client, before);
      return read(client, id);
    });
    if (placement !== undefined) {
      access.forgetRepository(id);
      context.changes?.announce(id);
    }
    return placement;
  }

  const addReplicas = async (
    client: DatabaseClient,
    repositoryId: string,
    volumeIds: readonly string[],
  ): Promise<void> => {
    const createdAt = now(context);
    const data = volumeIds.map((volumeId) => ({ repositoryId, volumeId, createdAt }));
    await client.repositoryReplica.createMany({ data, skipDuplicates: true });
  };

  return {
    find: (repositoryId) => database.run((client) => read(client, repositoryId)),

    movePrimary: (repositoryId, fromEpoch, toVolumeId) =>
      change(
        repositoryId,
        fromEpoch,
        { volumeId: toVolumeId, epoch: fromEpoch + 1 },
        async (client, { volumeId }) => {
          if (volumeId === toVolumeId) return;
          await client.repositoryReplica.deleteMany({ where: { repositoryId, volumeId: toVolumeId } });
          await addReplicas(client, repositoryId, [volumeId]);
        },
      ),

    setReplicas: (repositoryId, epoch, { replicas, durability }) =>
      change(
        repositoryId,
        epoch,
        // Writing the epoch as it is locks the row until the replicas are written too.
        { epoch, ...(durability === undefined ? {} : { durability }) },
        async (client, { volumeId }) => {
          const wanted = replicas.filter((replica) => replica !== volumeId);
          await client.repositoryReplica.deleteMany({
            where: { repositoryId, volumeId: { notIn: wanted } },
          });
          await addReplicas(client, repositoryId, wanted);
        },
      ),

    async onVolume(volumeId, { role, limit, after }) {
      const id = after === undefined ? {} : { gt: after };
      const rows = await database.run((client) =>
        role === 'primary'
          ? client.repository.findMany({
              where: { volumeId, id },
              orderBy: { id: 'asc' },
              take: limit,
              include: { replicas },
            })
          : client.repositoryReplica
              .findMany({
                where: { volumeId, repositoryId: id },
                orderBy: { repositoryId: 'asc' },
                take: limit,
                include: { repository: { include: { replicas } } },
              })
              .then((found) => found.map(({ repository }) => repository)),
      );
      return rows.map((row) => ({ id: row.id, placement: toPlacement(row) }));
    },
  };
}
