import type { Settings } from '#base';
import type { Membership } from './membership/membership.ts';
import type { Placement } from './placement/placement.ts';
import { RpcClient } from './rpc/client.ts';
import type { ClusterCredentials } from './rpc/credentials.ts';
import type { NodeIdentity } from './rpc/proofs.ts';

export interface PeersOptions {
  readonly self: NodeIdentity;
  readonly membership: Membership;
  readonly placement: Placement;
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

  /** Where this node is. */
  get region(): string {
    return this.#options.membership.self.region;
  }

  /** The node that has the volume mounted, which is another one than this; undefined when none that is alive has. */
  withVolume(volumeId: string): RpcClient | undefined {
    const location = this.#options.membership.volume(volumeId);
    if (location === undefined || location.isLocal || !location.isAlive) return undefined;
    return this.node(location.node);
  }

  /** The volume where a new repository goes: in `region`, or else this node's, if any is there; undefined when there is none at all. */
  choose(repositoryId: string, region?: string): string | undefined {
    return this.#options.placement.choose({ repositoryId, region, copies: 1 })?.volumeId;
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
