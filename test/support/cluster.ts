import { TestNats } from './nats.ts';
import { Packhorse } from './packhorse.ts';
import { startPostgres } from './postgres.ts';

/** Leases that are short, but not too short for a busy machine; what is remembered lasts until its node is told better. */
const settings = {
  PACKHORSE_ACCOUNTS_ACCESS_CACHE_MS: '600000',
  PACKHORSE_MEMBERSHIP_HEARTBEAT_MS: '250',
  PACKHORSE_MEMBERSHIP_LEASE_MS: '4000',
  PACKHORSE_MEMBERSHIP_LEASE_MARGIN_MS: '1000',
};

/** Real nodes, each in a region of its own, over a real NATS and a real PostgreSQL. */
export class TestCluster implements AsyncDisposable {
  readonly nodes: readonly Packhorse[];
  readonly nats: TestNats;
  readonly #parts: AsyncDisposableStack;

  private constructor(nodes: readonly Packhorse[], nats: TestNats, parts: AsyncDisposableStack) {
    this.nodes = nodes;
    this.nats = nats;
    this.#parts = parts;
  }

  /** One node for each region. */
  static async start(...regions: readonly string[]): Promise<TestCluster> {
    await using opening = new AsyncDisposableStack();
    const nats = opening.use(await TestNats.start());
    const postgres = opening.use(await startPostgres());
    const start = async (region: string): Promise<Packhorse> =>
      await Packhorse.start({
        databaseUrl: postgres.url,
        env: settings,
        serveArguments: ['--nats', nats.url, '--node-name', `node-${region}`, '--region', region],
      });
    const nodes: Packhorse[] = [];
    for (const region of regions) nodes.push(opening.use(await start(region)));
    return new TestCluster(nodes, nats, opening.move());
  }

  node(index: number): Packhorse {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}
