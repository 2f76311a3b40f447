import type { Accounts } from '#accounts';
import type { Log, Settings } from '#base';
import type { RepositoryGateway } from '#gateway';
import type { Renderer } from './render/renderer.ts';
import type { WebSessions } from './session.ts';

/** What pages work with. */
export interface Application {
  readonly accounts: Accounts;
  readonly repositories: RepositoryGateway;
  readonly sessions: WebSessions;
  readonly renderer: Renderer;
  readonly settings: Settings['web'];
  readonly log: Log;
  /** Where this server is reached, for clone addresses; without slash at the end. */
  readonly addresses: () => CloneAddresses;
}

export interface CloneAddresses {
  readonly http: string;
  /** Such as `ssh://git@example.com:2222`. */
  readonly ssh: string;
}
