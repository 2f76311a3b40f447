import { AsyncLocalStorage } from 'node:async_hooks';

/** On whose behalf something is done, for the limits that share the machine out. */
export interface Requester {
  /** The repository that is worked on. */
  readonly repository: string;
  /** undefined for those who did not log in. */
  readonly user: string | undefined;
  /** Where the request came from. */
  readonly address: string;
}

const requesters = new AsyncLocalStorage<Requester>();

/**
 * Runs `work`, and everything that it starts and waits for, on behalf of `requester`. It decides
 * nothing but whose share of a limit is used: who may do what is never asked here.
 */
export function onBehalfOf<Result>(requester: Requester, work: () => Result): Result {
  return requesters.run(requester, work);
}

/** Who the work under way is for; undefined for what the server does by itself. */
export function currentRequester(): Requester | undefined {
  return requesters.getStore();
}
