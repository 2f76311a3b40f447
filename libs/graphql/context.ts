import type { Accounts, Identity } from '#accounts';
import type { Log, Settings } from '#base';
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

/** What every resolver may use; made anew for each request. */
export interface Context {
  readonly identity: Identity;
  readonly remoteAddress: string;
  readonly accounts: Accounts;
  readonly repositories: RepositoryGateway;
  readonly jobs: Jobs;
  readonly limits: Settings['graphql'];
  readonly node: () => NodeInfo;
  readonly log: Log;
}
