import type { Identity, Repositories, RepositoryAction, RepositoryRecord } from '#accounts';
import { isAbsolute } from 'node:path';
import { PackhorseError, randomId, type Log, type Random } from '#base';
import type { RepositoryAgent } from '#git';
import type { NewRepository, OpenRepository, RepositoryGateway } from './forge.ts';
import { importRepository, type ImportPolicy } from './import.ts';
import { locateWith } from './accounts-gateway.ts';
import type { Located, Locator } from './locator.ts';
import { RemoteAgent } from './remote/remote-agent.ts';
import { type Access, topics } from './remote/topics.ts';

/** What pages and APIs do with repositories, on a server with accounts. */
export class AccountsRepositoryGateway implements RepositoryGateway {
  readonly #repositories: Repositories;
  readonly #locator: Locator;
  readonly #random: Random;
  readonly #log: Log;
  readonly #importPolicy: ImportPolicy;

  constructor(
    repositories: Repositories,
    locator: Locator,
    dependencies: { readonly random: Random; readonly log: Log; readonly importPolicy: ImportPolicy },
  ) {
    this.#repositories = repositories;
    this.#locator = locator;
    this.#random = dependencies.random;
    this.#log = dependencies.log;
    this.#importPolicy = dependencies.importPolicy;
  }

  async open(
    identity: Identity,
    ownerLogin: string,
    name: string,
    action: RepositoryAction,
    hops = 0,
  ): Promise<OpenRepository> {
    const access = { identity, ownerLogin, name, action, hops };
    const { record, located } = await this.#locate(access);
    return { record, agent: agentOf(record, located, access) };
  }

  /** `hops` as for `AccountsGitGateway`. */
  #locate({ identity, ownerLogin, name, action, hops }: Access): ReturnType<typeof locateWith> {
    const authorise = (): Promise<RepositoryRecord> =>
      this.#repositories.authorise(identity, ownerLogin, name, action);
    return locateWith(this.#locator, this.#repositories, authorise, hops);
  }

  async create(identity: Identity, input: NewRepository): Promise<OpenRepository> {
    await this.#repositories.checkCreate(identity, input.ownerLogin, input.name);
    const id = randomId(this.#random);
    const { volume, region } = this.#locator.choose(id, input.region);
    const objectFormat = input.objectFormat ?? 'sha1';
    await volume.createRepository(id, { objectFormat, defaultBranch: input.defaultBranch ?? 'main' });
    try {
      const record = await this.#repositories.create(identity, {
        id,
        ownerLogin: input.ownerLogin,
        name: input.name,
        description: input.description ?? '',
        visibility: input.visibility,
        objectFormat,
        placement: { volumeId: volume.id, epoch: 1, region },
      });
      const access = {
        identity,
        ownerLogin: input.ownerLogin,
        name: input.name,
        action: 'admin',
        hops: 0,
      } as const;
      return { record, agent: agentOf(record, this.#locator.locate(record), access) };
    } catch (thrown) {
      await volume.removeRepository(id);
      throw thrown;
    }
  }

  async remove(identity: Identity, ownerLogin: string, name: string): Promise<void> {
    const record = await this.#repositories.authorise(identity, ownerLogin, name, 'admin');
    await this.#repositories.remove(identity, record.id);
    await this.#locator.volume(record.placement.volumeId).removeRepository(record.id);
    this.#log.info('repository removed', { repositoryId: record.id });
  }

  async import(
    identity: Identity,
    ownerLogin: string,
    name: string,
    source: string,
    onProgress: (text: string) => void,
    hops = 0,
  ): Promise<void> {
    const access = { identity, ownerLogin, name, action: 'write', hops } as const;
    const { record, located } = await this.#locate(access);
    if (identity.kind !== 'user')
      throw new PackhorseError('unauthenticated', 'Sign in to import a repository.');
    const policy = this.#importPolicy;
    if (located.kind === 'here') {
      await importRepository({ identity, agent: located.agent, source, policy, onProgress });
      return;
    }
    if (isAbsolute(source)) {
      throw new PackhorseError(
        'failed_precondition',
        'A path can only be imported by the node that has the repository: run the command there, or import from a URL.',
        { metadata: { repositoryId: record.id } },
      );
    }
    const argument = { access: { ...access, hops: hops + 1 }, source };
    for await (const text of located.node.stream(topics.import, argument)) {
      if (typeof text === 'string') onProgress(text);
    }
  }
}

/** The agent as somebody with `access` may use it. */
function agentOf(record: RepositoryRecord, located: Located, access: Access): RepositoryAgent {
  if (located.kind === 'here') return located.agent;
  return new RemoteAgent(record.id, { ...access, hops: access.hops + 1 }, located.node);
}
