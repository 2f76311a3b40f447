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
