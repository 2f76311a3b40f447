import { PackhorseError } from '#base';
import type { Membership } from './membership/membership.ts';
import type { RpcClient } from './rpc/client.ts';
import type { RpcServer } from './rpc/server.ts';

/** What operators see of the nodes, and tell them. */
export interface ClusterView {
  readonly membership: Membership;
  /** Puts nothing new on the node of that name from now on, or does so again. Throws `not_found` where there is none that lives. */
  drain(name: string, isDraining: boolean): Promise<void>;
}

const drainTopic = 'node.drain';

/** The view of one node; `peer` finds the way to another one that lives. */
export function clusterView(
  membership: Membership,
  peer: (name: string) => Pick<RpcClient, 'call'> | undefined = () => undefined,
): ClusterView {
  return {
    membership,
    async drain(name, isDraining) {
      if (name === membership.self.name) return membership.drain(isDraining);
      const node = peer(name);
      if (node === undefined) {
        throw new PackhorseError('not_found', 'There is no running node of that name.', {
          metadata: { node: name },
        });
      }
      await node.call(drainTopic, isDraining);
    },
  };
}

/** Lets other nodes pass on what an operator told them about this one. */
export function serveClusterView(server: Pick<RpcServer, 'on'>, membership: Membership): void {
  server.on('call', drainTopic, async (isDraining) => {
    await membership.drain(isDraining === true);
  });
}
