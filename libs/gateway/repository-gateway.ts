import type { Identity, Repositories, RepositoryAction } from '#accounts';
import { PackhorseError, randomId, type Log, type Random } from '#base';
import type { NewRepository, OpenRepository, RepositoryGateway } from './forge.ts';
import { importRepository, type ImportPolicy } from './import.ts';
import type { LocalLocator } from './locator.ts';

/** What pages and APIs do with repositories, on a server with accounts. */
export class AccountsRepositoryGateway implements RepositoryGateway {
  readonly #repositories: Repositories;
  readonly #locator: LocalLocator;
  readonly #random: Random;
  readonly #log: Log;
  readonly #importPolicy: ImportPolicy;

  constructor(
    repositories: Repositories,
    locator: LocalLocator,
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
  ): Promise<OpenRepository> {
    const record = await this.#repositories.authorise(identity, ownerLogin, name, action);
    return { record, agent: this.#locator.agent(record) };
  }

  async create(identity: Identity, input: NewRepository): Promise<OpenRepository> {
    await this.#repositories.checkCreate(identity, input.ownerLogin, input.name);
    const volume = this.#locator.choose();
    const id = randomId(this.#random);
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
        placement: { volumeId: volume.id, epoch: 1 },
      });
      return { record, agent: this.#locator.agent(record) };
    } catch (thrown) {
      await volume.removeRepository(id);
      throw thrown;
    }
  }

  async remove(identity: Identity, ownerLogin: string, name: string): Promise<void> {
    const record = await this.#repositories.authorise(identity, ownerLogin, name, 'admin');
    await this.#repositories.remove(identity, record.id);
    await this.#locator.close(record.id);
    await this.#locator.volume(record.placement.volumeId).removeRepository(record.id);
    this.#log.info('repository removed', { repositoryId: record.id });
  }

  async import(
    identity: Identity,
    ownerLogin: string,
    name: string,
    source: string,
    onProgress: (text: string) => void,
  ): Promise<void> {
    const { agent } = await this.open(identity, ownerLogin, name, 'write');
    if (identity.kind !== 'user')
      throw new PackhorseError('unauthenticated', 'Sign in to import a repository.');
    await importRepository({ identity, agent, source, policy: this.#importPolicy, onProgress });
  }
}
