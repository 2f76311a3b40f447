import type { Repositories, RepositoryAction, RepositoryRecord } from '#accounts';
import { PackhorseError } from '#base';
import type { GitGateway, GitRequest, GitService, GitSession } from './gateway.ts';
import { AgentSession, type SessionContext } from './git-session.ts';
import type { Located, Locator } from './locator.ts';
import { RemoteSession } from './remote/remote-session.ts';
import { maxHops } from './remote/topics.ts';
import { parseRepositoryPath } from './repository-path.ts';
import type { SessionLimits } from './session-limits.ts';

const actions: Readonly<Record<GitService, RepositoryAction>> = {
  'upload-pack': 'read',
  'receive-pack': 'write',
  'upload-archive': 'read',
};

/** The gateway of a server with accounts: the database says who may do what, and where it is. */
export class AccountsGitGateway implements GitGateway {
  readonly #repositories: Repositories;
  readonly #locator: Locator;
  readonly #limits: SessionLimits;
  readonly #context: SessionContext;

  constructor(repositories: Repositories, locator: Locator, limits: SessionLimits, context: SessionContext) {
    this.#repositories = repositories;
    this.#locator = locator;
    this.#limits = limits;
    this.#context = context;
  }

  /** `hops` says how many nodes have sent the request on to this one. */
  async open(request: GitRequest, hops = 0): Promise<GitSession> {
    const { ownerLogin, name } = parseRepositoryPath(request.path);
    const authorise = (): Promise<RepositoryRecord> =>
      this.#repositories.authorise(request.identity, ownerLogin, name, actions[request.service]);
    const { located } = await locateWith(this.#locator, this.#repositories, authorise, hops);
    const leave = this.#limits.enter(request.remoteAddress);
    try {
      if (located.kind === 'elsewhere') return new RemoteSession(request, hops + 1, located.node, leave);
      return new AgentSession(request, located.agent, this.#context, leave);
    } catch (thrown) {
      leave();
      throw thrown;
    }
  }
}

/** What `authorise` finds, and where that is. Somebody who sends a request here remembers, or has just heard, more than this node may. */
export async function locateWith(
  locator: Locator,
  repositories: Repositories,
  authorise: () => Promise<RepositoryRecord>,
  hops: number,
): Promise<{ readonly record: RepositoryRecord; readonly located: Located }> {
  let record = await authorise();
  let located = locator.locate(record);
  if (located.kind === 'here' || hops === 0) return { record, located };
  repositories.forget();
  record = await authorise();
  located = locator.locate(record);
  if (located.kind === 'here' || hops < maxHops) return { record, located };
  throw new PackhorseError('unavailable', 'The repository is being moved to another disk. Try again.', {
    metadata: { repositoryId: record.id },
  });
}
