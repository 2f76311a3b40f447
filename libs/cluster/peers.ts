import { createHash } from 'node:crypto';
import type { Settings } from '#base';
import type { Membership, VolumeLocation } from './membership/membership.ts';
import { RpcClient } from './rpc/client.ts';
import type { ClusterCredentials } from './rpc/credentials.ts';
import type { NodeIdentity } from './rpc/proofs.ts';

export interface PeersOptions {
  readonly self: NodeIdentity;
  readonly membership: Membership;
  readonly credentials: ClusterCredentials;
  readonly settings: Settings['cluster'];
}

interface Connection {
  readonly client: RpcClient;
  /** Of the node that it was made to. */
  readonly instanceId: string;
}

/** The ways to the other nodes: one connection to each, made when it is first needed and dropped when the node is another. */
export class NodePeers implements Disposable {
  readonly #options: PeersOptions;
  /** By address. */
  readonly #connections = new Map<string, Connection>();
  readonly #unwatch: () => void;

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#unwatch = options.membership.watch((event) => {
      if (event.kind !== 'left' && event.kind !== 'leaseLost') return;
      const { address } = event.node;
      if (address !== undefined) this.#drop(address);
    });
  }

  /** The node that has the volume mounted, which is another one than this; undefined when none that is alive has. */
  withVolume(volumeId: string): RpcClient | undefined {
    const location = this.#options.membership.volume(volumeId);
    if (location === undefined || location.isLocal || !location.isAlive) return undefined;
    return this.node(location.node);
  }

  /**
   * The volume where a new repository goes: of those that take any in this node's region, or in all
   * where it has none, the one that rendezvous hashing picks; undefined when there is none at all.
   */
  choose(repositoryId: string): string | undefined {
    const { membership } = this.#options;
    const open = membership.volumes().filter(({ isAlive, isDraining }) => isAlive && !isDraining);
    const near = open.filter(({ region }) => region === membership.self.region);
    const weigh = ({ volumeId }: VolumeLocation): string =>
      createHash('sha256').update(`${repositoryId} ${volumeId}`).digest('hex');
    const weighed = (near.length > 0 ? near : open).map(
      (volume) => [weigh(volume), volume.volumeId] as const,
    );
    return weighed.toSorted(([one], [other]) => (one < other ? 1 : -1))[0]?.[1];
  }

  /** The node of that name; undefined when it is not alive, or this one. */
  node(name: string): RpcClient | undefined {
    const { membership, self, credentials, settings } = this.#options;
    const member = membership.node(name);
    if (member?.address === undefined || !member.isAlive || name === self.node) return undefined;
    const { address, instanceId } = member;
    const known = this.#connections.get(address);
    if (known?.instanceId === instanceId) return known.client;
    this.#drop(address);
    const client = new RpcClient({ self, address, credentials, settings });
    this.#connections.set(address, { client, instanceId });
    return client;
  }

  #drop(address: string): void {
    this.#connections.get(address)?.client.close();
    this.#connections.delete(address);
  }

  [Symbol.dispose](): void {
    this.#unwatch();
    for (const address of this.#connections.keys()) this.#drop(address);
  }
}
