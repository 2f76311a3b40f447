/** What a node that is alone needs of this room: nothing of NATS or gRPC is loaded with it. */
export { clusterView } from './cluster-view.ts';
export { SingleNode } from './membership/single-node.ts';
