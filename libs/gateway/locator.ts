import type { RepositoryRecord } from '#accounts';
import { PackhorseError } from '#base';
import type { RepositoryAgent, RepositoryPools, Volume } from '#git';

/** Finds the agent of a repository from its placement. On a single node every volume is mounted here. */
export class LocalLocator {
  readonly #pools: RepositoryPools;
  readonly #volumes: ReadonlyMap<string, Volume>;

  constructor(pools: RepositoryPools, volumes: readonly Volume[]) {
    this.#pools = pools;
    this.#volumes = new Map(volumes.map((volume) => [volume.id, volume]));
  }

  /** Throws `unavailable` when the volume is not mounted on this node. */
  agent(record: Pick<RepositoryRecord, 'id' | 'placement'>): RepositoryAgent {
    const volume = this.volume(record.placement.volumeId);
    return this.#pools.agent({ id: record.id, path: volume.repositoryPath(record.id), mode: 'owned' });
  }

  volume(volumeId: string): Volume {
    const volume = this.#volumes.get(volumeId);
    if (volume === undefined) {
      throw new PackhorseError(
        'unavailable',
        'The disk volume of this repository is not mounted. Ask the operator of this server.',
        {
          metadata: { volumeId },
        },
      );
    }
    return volume;
  }

  /** Where a new repository goes: on a single node, its first volume. */
  choose(): Volume {
    const [volume] = this.#volumes.values();
    if (volume === undefined) {
      throw new PackhorseError(
        'unavailable',
        'This node has no disk volume, so no repository can be created here.',
      );
    }
    return volume;
  }

  /** Closes the repository's pool, so that its directory can be removed. */
  async close(repositoryId: string): Promise<void> {
    await this.#pools.close(repositoryId);
  }
}
