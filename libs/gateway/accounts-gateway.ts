import type { Repositories, RepositoryAction } from '#accounts';
import type { GitGateway, GitRequest, GitService, GitSession } from './gateway.ts';
import { AgentSession, type SessionContext } from './git-session.ts';
import type { LocalLocator } from './locator.ts';
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
  readonly #locator: LocalLocator;
  readonly #limits: SessionLimits;
  readonly #context: SessionContext;

  constructor(
    repositories: Repositories,
    locator: LocalLocator,
    limits: SessionLimits,
    context: SessionContext,
  ) {
    this.#repositories = repositories;
    this.#locator = locator;
    this.#limits = limits;
    this.#context = context;
  }

  async open(request: GitRequest): Promise<GitSession> {
    const { ownerLogin, name } = parseRepositoryPath(request.path);
    const record = await this.#repositories.authorise(
      request.identity,
      ownerLogin,
      name,
      actions[request.service],
    );
    const leave = this.#limits.enter(request.remoteAddress);
    try {
      return new AgentSession(request, this.#locator.agent(record), this.#context, leave);
    } catch (thrown) {
      leave();
      throw thrown;
    }
  }
}
