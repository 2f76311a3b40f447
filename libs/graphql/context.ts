import type { Accounts, Identity } from '#accounts';
import type { Log, Settings } from '#base';
import type { ClusterView } from '#cluster';
import type { RepositoryGateway } from '#gateway';
import type { Jobs } from './jobs.ts';

/** What the API says about the node that answers. */
export interface NodeInfo {
  readonly name: string;
  readonly region: string;
  readonly version: string;
  /** Without a trailing slash, such as `http://127.0.0.1:3000`. */
  readonly httpUrl: string;
  /** Such as `ssh://git@127.0.0.1:2222`; absent when the SSH door is closed. */
  readonly sshUrl?: string;
}

/** One live actor of the node that answers. */
export interface ObservedActor {
  /** Names from the top down, such as `repositories/4k2…/writer`. */
  readonly path: string;
  readonly kind: string;
  readonly phase: 'held' | 'starting' | 'live' | 'stopping' | 'terminating' | 'dead';
  readonly mailboxDepth: number;
  readonly messagesHandled: number;
  readonly restarts: number;
  readonly startedMs: number;
}

/** What the node that answers is doing at one moment. */
export interface Observation {
  readonly totals: {
    readonly live: number;
    readonly started: number;
    readonly restarted: number;
    readonly crashed: number;
    readonly refused: number;
  };
  readonly repositories: {
    readonly pools: number;
    readonly openHandles: number;
    readonly cacheBytes: number;
  };
  readonly memory: { readonly rss: number; readonly heapUsed: number; readonly external: number };
  readonly loopDelay: { readonly p99Ms: number; readonly maxMs: number };
  /** Every live actor, parents before their children; a walk through perhaps very many. */
  actors(): Iterable<ObservedActor>;
}

/** What every resolver may use; made anew for each request. */
export interface Context {
  readonly identity: Identity;
  readonly remoteAddress: string;
  /** The region that the caller came in at, where a proxy says so. */
  readonly region: string | undefined;
  readonly accounts: Accounts;
  readonly repositories: RepositoryGateway;
  readonly jobs: Jobs;
  readonly limits: Settings['graphql'];
  readonly node: () => NodeInfo;
  readonly observe: () => Observation;
  readonly cluster: ClusterView;
  readonly log: Log;
}
