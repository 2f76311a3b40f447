import type { RepositoryRecord } from '#accounts';
import { PackhorseError } from '#base';
import type { RpcClient } from '#cluster';
import type { LocalAgent, RepositoryPools, Volume } from '#git';
import { RemoteVolume } from './remote/remote-volume.ts';

/** Where a repository is served. */
export type Located =
  | { readonly kind: 'here'; readonly agent: LocalAgent }
  | { readonly kind: 'elsewhere'; readonly node: RpcClient };

/** A volume of some node, as far as others make use of it. */
export type RepositoryVolume = Pick<Volume, 'id' | 'createRepository' | 'removeRepository'>;

/** The other nodes of a cluster; a node that stands alone has none. */
export interface Peers {
  /** Where this node is. */
  readonly region: string;
  /** The node that has the volume mounted; undefined when none that is alive has. */
  withVolume(volumeId: string): RpcClient | undefined;
  /** The volume where a new repository of this id goes, in `region` if there is one; undefined when no node has one to offer. */
  choose(repositoryId: string, region?: string): string | undefined;
}

type Placed = Pick<RepositoryRecord, 'id' | 'placement'>;

/** Finds repositories by their placement: on the volumes of this node, or on another node. */
export class Locator {
  readonly #pools: RepositoryPools;
  readonly #volumes: ReadonlyMap<string, Volume>;
  readonly #peers: Peers | undefined;

  constructor(pools: RepositoryPools, volumes: readonly Volume[], peers?: Peers) {
    this.#pools = pools;
    this.#volumes = new Map(volumes.map((volume) => [volume.id, volume]));
    this.#peers = peers;
  }

  /** Throws `unavailable` when no node that is alive has the volume. */
  locate(record: Placed): Located {
    const { volumeId } = record.placement;
    const volume = this.#volumes.get(volumeId);
    if (volume !== undefined) return { kind: 'here', agent: this.#agent(record, volume) };
    return { kind: 'elsewhere', node: this.#nodeWith(volumeId) };
  }

  /** Throws `unavailable` when the volume is not mounted here. */
  volumeHere(volumeId: string): RepositoryVolume {
    return this.#closing(this.#mounted(volumeId));
  }

  #mounted(volumeId: string): Volume {
    const volume = this.#volumes.get(volumeId);
    if (volume === undefined) throw notMounted(volumeId);
    return volume;
  }

  /** Throws `unavailable` when no node that is alive has the volume. */
  volume(volumeId: string): RepositoryVolume {
    const volume = this.#volumes.get(volumeId);
    return volume === undefined
      ? new RemoteVolume(volumeId, this.#nodeWith(volumeId))
      : this.#closing(volume);
  }

  /** Where a new repository goes: on a single node, to its first volume. `region` is the one wished for. */
  choose(
    repositoryId: string,
    region?: string,
  ): { readonly volume: RepositoryVolume; readonly region: string } {
    const [first] = this.#volumes.keys();
    const volumeId = this.#peers === undefined ? first : this.#peers.choose(repositoryId, region);
    if (volumeId !== undefined) {
      return { volume: this.volume(volumeId), region: region ?? this.#peers?.region ?? 'local' };
    }
    throw new PackhorseError(
      'unavailable',
      'There is no disk volume that takes new repositories: all are full, drained or gone.',
    );
  }

  /** Whose repositories are closed before they are removed. */
  #closing(volume: Volume): RepositoryVolume {
    return {
      id: volume.id,
      createRepository: (id, options) => volume.createRepository(id, options),
      removeRepository: async (id) => {
        await this.#pools.close(id);
        await volume.removeRepository(id);
      },
    };
  }

  #agent(record: Placed, volume: Volume): LocalAgent {
    return this.#pools.agent({ id: record.id, path: volume.repositoryPath(record.id), mode: 'owned' });
  }

  #nodeWith(volumeId: string): RpcClient {
    const node = this.#peers?.withVolume(volumeId);
    if (node === undefined) throw notMounted(volumeId);
    return node;
  }
}

function notMounted(volumeId: string): PackhorseError {
  return new PackhorseError(
    'unavailable',
    'The disk volume of this repository is not mounted. Ask the operator of this server.',
    { metadata: { volumeId } },
  );
}
