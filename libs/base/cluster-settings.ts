import { day, GiB, MiB, second, setting } from './setting.ts';

/** What nodes of a cluster expect of each other. */
export const clusterSettings = {
  callTimeoutMs: setting(
    30 * second,
    'How long another node may take to answer a question; past it the answer is `deadline_exceeded`.',
  ),
  streamWindowBytes: setting(
    4 * MiB,
    'Bytes of one stream between nodes that may be under way; past it the sender waits.',
  ),
  keepAliveMs: setting(
    10 * second,
    'Silence on a connection between nodes after which it is tried, and how long the answer may take.',
  ),
  maxReconnectMs: setting(2 * second, 'Longest wait before a lost connection to a node is tried again.'),
  copyTimeoutMs: setting(
    10 * second,
    'How long one step of a change may take another copy of the repository; past it the change goes on without that copy.',
  ),
  reserveBytes: setting(
    1 * GiB,
    'Space that new repositories leave free on a volume; one with less gets none. What is there goes on growing.',
  ),
  maxKnownCallers: setting(
    10_000,
    'Starts of other nodes whose proof is remembered; past it they are proven again.',
  ),
} as const;

/** How nodes of a cluster know of each other. */
export const membershipSettings = {
  heartbeatMs: setting(second, 'How often a node of a cluster renews its lease.'),
  leaseMs: setting(
    5 * second,
    'Silence of a node after which the others take its lease away, and its repositories can be promoted elsewhere.',
  ),
  leaseMarginMs: setting(
    1_500,
    'How much earlier than that the node itself takes its lease for lost: what clocks may differ by.',
  ),
  stateMs: setting(
    10 * second,
    'How often a node tells the others its load and the free space of its volumes.',
  ),
  storeTimeoutMs: setting(1_500, 'How long NATS may take to answer one question; past it it is asked again.'),
  storeReplicas: setting(
    0,
    'NATS servers that keep the leases; 0: three in a NATS cluster, one where it is a single server.',
  ),
  joinTimeoutMs: setting(
    30 * second,
    'How long a starting node waits for NATS, for its name and for its volumes; past it it does not start.',
  ),
  forgetNodeMs: setting(day, 'How long a node that is gone stays in the list of nodes.'),
} as const;
