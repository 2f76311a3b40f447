import { MiB, second, setting } from './setting.ts';

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
  maxKnownCallers: setting(
    10_000,
    'Starts of other nodes whose proof is remembered; past it they are proven again.',
  ),
} as const;
