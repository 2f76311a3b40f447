import { completePlacement } from '#accounts';
import { join } from 'node:path';
import { PackhorseError, readSettings, silentLog, systemClock } from '#base';
import {
  type CopiesHere,
  type CopiesNow,
  copyTopics,
  QuorumReplication,
  receiveContents,
  RemoteCopyLink,
  RpcClient,
  RpcServer,
  serveCopies,
} from '#cluster';
import { AccountsGitGateway, Locator, SessionLimits } from '#gateway';
import { type CopyState, type LocalAgent, openVolume, type Volume } from '#git';
import { Metrics } from '#telemetry';
import { FakeAccounts } from './fake-accounts.ts';
import { HttpDoor } from './http-door.ts';
import { testPools, type TestPools } from './pools.ts';
import { temporaryDirectory } from './temporary.ts';

const settings = readSettings();
const credentials = { secret: 'shared' };
const repositoryId = 'thecopied0repository';

/** A node with one copy of the one repository. */
export interface CopyNode {
  readonly name: string;
  readonly volume: Volume;
  readonly pools: TestPools;
  readonly server: RpcServer;
  /** How others talk to it. */
  readonly client: RpcClient;
  readonly path: string;
  agent(): LocalAgent;
  /** Copies that this node heard have fallen behind. */
  readonly lagging: string[];
  door: HttpDoor;
}

/** Several nodes, each with a volume and a copy of one repository, and no cluster but what a test decides. */
export class TestCopies implements AsyncDisposable {
  readonly nodes: CopyNode[] = [];
  primary = 0;
  epoch = 1;
  durability = 2;
  /** Nodes that nobody reaches. */
  readonly cut = new Set<number>();
  readonly #opened = new AsyncDisposableStack();
  readonly #accounts = new FakeAccounts();

  static async open(count: number): Promise<TestCopies> {
    const copies = new TestCopies();
    await copies.#accounts.users.create({
      login: 'ada',
      email: 'ada@example.org',
      password: 'ada',
      isAdmin: false,
    });
    for (let index = 0; index < count; index += 1) await copies.#add(index);
    const volumeId = copies.nodes[0]?.volume.id ?? '';
    await copies.#accounts.repositories.create(copies.#accounts.identity('ada'), {
      id: repositoryId,
      ownerLogin: 'ada',
      name: 'engine',
      description: '',
      visibility: 'private',
      objectFormat: 'sha1',
      placement: { volumeId, epoch: 1 },
    });
    return copies;
  }

  async #add(index: number): Promise<void> {
    const volume = this.#opened.use(await openVolume(join(temporaryDirectory('copy'), 'volume')));
    await volume.createRepository(repositoryId, { objectFormat: 'sha1', defaultBranch: 'main' });
    const lagging: string[] = [];
    const replication = new QuorumReplication({
      now: () => this.#now(index),
      onLag: (volumeId) => lagging.push(volumeId),
      settings: settings.cluster,
      clock: systemClock,
      log: silentLog,
    });
    const pools = this.#opened.use(testPools({}, { replication: () => replication }));
    const path = volume.repositoryPath(repositoryId);
    const agent = (): LocalAgent => pools.pools.agent({ id: repositoryId, path, mode: 'owned' });
    const name = `node-${index}`;
    const self = { node: name, instanceId: name };
    const server = new RpcServer({ self, credentials, settings: settings.cluster, log: silentLog });
    const here: CopiesHere = { agent: () => Promise.resolve(agent()), follow: () => undefined };
    serveCopies(server, here);
    const port = await server.listen('127.0.0.1', 0);
    this.#opened.defer(() => server.drain(0));
    const client = new RpcClient({
      self,
      address: `127.0.0.1:${port}`,
      credentials,
      settings: settings.cluster,
    });
    this.#opened.defer(() => client.close());
    const door = this.#opened.use(await this.#door(pools, volume));
    this.nodes.push({ name, volume, pools, server, client, path, agent, lagging, door });
  }

  async #door(pools: TestPools, volume: Volume): Promise<HttpDoor> {
    const metrics = new Metrics();
    const locator = new Locator(pools.pools, [volume]);
    const git = new AccountsGitGateway(
      {
        ...this.#accounts.repositories,
        // Whichever node is asked, it has the repository.
        authorise: async (...request) => ({
          ...(await this.#accounts.repositories.authorise(...request)),
          placement: completePlacement({ volumeId: volume.id, epoch: this.epoch }),
        }),
      },
      locator,
      new SessionLimits(settings.node, metrics),
      {
        settings: settings.wire,
        agentName: 'packhorse/test',
        clock: systemClock,
        log: silentLog,
        metrics,
      },
    );
    return await HttpDoor.open({}, { git, authenticator: this.#accounts.authenticator });
  }

  /** What the node that is `index` knows of the other copies. */
  #now(index: number): CopiesNow {
    if (index !== this.primary) throw new PackhorseError('unavailable', 'This is not the primary.');
    const others = this.nodes.filter((_, other) => other !== index && !this.cut.has(other));
    const { epoch, durability } = this;
    return {
      epoch,
      durability,
      links: others.map(
        ({ volume, client }) => new RemoteCopyLink({ volumeId: volume.id, repositoryId, epoch }, client),
      ),
    };
  }

  node(index: number): CopyNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  /** Where people push to and fetch from at one node. */
  remote(index: number): string {
    return `${this.node(index).door.url.replace('//', '//ada:ada@')}/ada/engine.git`;
  }

  async state(index: number): Promise<CopyState> {
    return await (await this.node(index).agent().replica()).state();
  }

  /** Has one node become like another. */
  async follow(index: number, source: number): Promise<void> {
    const agent = this.node(index).agent();
    const haves = (await agent.refs('')).map(({ oid }) => oid);
    const argument = { repositoryId, volumeId: '', epoch: this.epoch, haves, lastId: '' };
    const { contents, pack } = await receiveContents(
      this.node(source).client.stream(copyTopics.contents, argument),
    );
    await (await agent.replica()).adopt(contents, pack, new AbortController().signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}
