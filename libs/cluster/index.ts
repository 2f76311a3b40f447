export type {
  Member,
  Membership,
  MembershipEvent,
  NodeChange,
  NodeState,
  VolumeLocation,
  VolumeState,
} from './membership/membership.ts';
export { SingleNode } from './membership/single-node.ts';
export { type ClusterView, clusterView, serveClusterView } from './cluster-view.ts';
export { RpcClient, type CallLimits } from './rpc/client.ts';
export { RpcServer, type CallContext, type Dialogue, type Exchange } from './rpc/server.ts';
export type { ClusterCredentials } from './rpc/credentials.ts';
export { QuorumReplication, type CopiesNow } from './replication/quorum.ts';
export { RemoteCopyLink } from './replication/copy-link.ts';
export { type CopiesHere, receiveContents, serveCopies } from './replication/copy-service.ts';
export { copyTopics } from './replication/topics.ts';
export { busChanges } from './placement/bus-changes.ts';
export { Placement } from './placement/placement.ts';
export { NodePeers } from './peers.ts';
export { ClusterNode } from './membership/cluster-node.ts';
export { NatsLink } from './membership/nats-link.ts';
