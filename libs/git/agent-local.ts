import type { Address } from '#actor';
import { type Oid, TurnMemo } from '#base';
import type {
  ArchiveRepository,
  Head,
  Quarantine,
  ReceivePackRepository,
  Ref,
  UploadPackRepository,
} from '#wire';
import type { MaintenanceRequest, Pusher, LocalAgent, RepositoryFacts } from './agent.ts';
import type { ReaderMessage, ValueReads } from './agent-reader.ts';
import type { WriterMessage } from './agent-writer.ts';
import type { PublishedFile } from './published-file.ts';
import type { DelegatedRepository } from './delegate/delegated-repository.ts';
import type { MaintenanceReport } from './maintenance/repository-maintenance.ts';
import type { PoolRepository } from './pool-repository.ts';
import type { CopyContents, Replica } from './replication/replica.ts';
import type {
  BlobFields,
  CommitFields,
  CreateCommitRequest,
  Diff,
  DiffRequest,
  HistoryPage,
  HistoryRequest,
  ObjectKind,
  RepositoryReader,
  ResolvedRevision,
  TagFields,
  TreeEntry,
} from './reader.ts';

/** A pool that is open at this moment. */
export interface OpenPool {
  readonly repository: PoolRepository;
  readonly reader: Address<ReaderMessage>;
  readonly writer: Address<WriterMessage>;
}

export interface LocalAgentOptions {
  readonly id: string;
  /** Opens the pool where needed. Asked for every message, for an idle pool closes. */
  readonly pool: () => OpenPool;
  readonly readTimeoutMs: number;
  /** A write that was begun is waited for: its caller must learn what became of it. */
  readonly writeTimeoutMs: number;
}

/** Who changes HEAD when no person is known to. */
const server: Pusher = { name: 'packhorse', email: 'packhorse@localhost' };

/** The address of a pool on this node: every method is a message to one of its agents. */
export class LocalRepositoryAgent implements LocalAgent {
  readonly #options: LocalAgentOptions;
  readonly #presence = new TurnMemo<'now', PoolRepository>();
  readonly #configValues = new TurnMemo<string, Promise<string | undefined>>();
  readonly #uploads = new TurnMemo<'now', Promise<UploadPackRepository>>();

  constructor(options: LocalAgentOptions) {
    this.#options = options;
  }

  get id(): string {
    return this.#options.id;
  }

  async head(): Promise<Head> {
    return (await this.#present().refs()).head;
  }

  async refs(prefix: string): Promise<readonly Ref[]> {
    return (await this.#present().refs()).withPrefix(prefix);
  }

  resolve(revision: string): Promise<ResolvedRevision | undefined> {
    return this.#read('resolve', revision);
  }

  peel(oid: Oid, kind: ObjectKind): Promise<Oid> {
    return this.#read('peel', oid, kind);
  }

  commit(oid: Oid): Promise<CommitFields> {
    return this.#read('commit', oid);
  }

  tag(oid: Oid): Promise<TagFields> {
    return this.#read('tag', oid);
  }

  tree(treeish: Oid, path: string): Promise<readonly TreeEntry[]> {
    return this.#read('tree', treeish, path);
  }

  entry(treeish: Oid, path: string): Promise<TreeEntry | undefined> {
    return this.#read('entry', treeish, path);
  }

  blob(oid: Oid): Promise<BlobFields> {
    return this.#read('blob', oid);
  }

  async *blobContent(oid: Oid): AsyncGenerator<Uint8Array, void, undefined> {
    const { reader } = this.#options.pool();
    yield* await reader.call({ type: 'open-blob', oid }, { timeoutMs: this.#options.readTimeoutMs });
  }

  history(request: HistoryRequest): Promise<HistoryPage> {
    return this.#read('history', request);
  }

  lastCommits(commit: Oid, path: string): Promise<ReadonlyMap<string, CommitFields>> {
    return this.#read('lastCommits', commit, path);
  }

  diff(request: DiffRequest): Promise<Diff> {
    return this.#read('diff', request);
  }

  aheadBehind(local: Oid, upstream: Oid): Promise<{ readonly ahead: number; readonly behind: number }> {
    return this.#read('aheadBehind', local, upstream);
  }

  mergeBase(one: Oid, other: Oid): Promise<Oid | undefined> {
    return this.#read('mergeBase', one, other);
  }

  async transaction<Result>(work: (reader: RepositoryReader) => Promise<Result>): Promise<Result> {
    const { reader } = this.#options.pool();
    const message = { type: 'transaction', work } as const;
    // The answer is what `work` returned.
    return (await reader.call(message, { timeoutMs: this.#options.readTimeoutMs })) as Result;
  }

  async createCommit(request: CreateCommitRequest): Promise<Oid> {
    return await this.#options
      .pool()
      .writer.call({ type: 'create-commit', request }, { timeoutMs: this.#options.writeTimeoutMs });
  }

  async setHead(ref: string): Promise<void> {
    await this.#options
      .pool()
      .writer.call({ type: 'set-head', ref, by: server }, { timeoutMs: this.#options.writeTimeoutMs });
  }

  async facts(): Promise<RepositoryFacts> {
    return await (await this.#present().disk()).facts();
  }

  configValue(key: string): Promise<string | undefined> {
    return this.#configValues.get(key, async () => {
      const repository = this.#present();
      const delegated = await repository.delegated();
      return await (delegated ?? (await repository.disk())).configValue(key);
    });
  }

  delegated(): Promise<DelegatedRepository | undefined> {
    return this.#present().delegated();
  }

  async verify(): Promise<readonly string[]> {
    return await (await this.#present().disk()).verify();
  }

  async maintain(request: MaintenanceRequest): Promise<MaintenanceReport> {
    return await (await this.#present().disk()).maintainNow({ ...request, force: true });
  }

  uploadPack(): Promise<UploadPackRepository> {
    return this.#uploads.get('now', async () => (await this.#present().disk()).uploadPack());
  }

  /** Packs come in side by side; accepting one is a turn of the writer. */
  async receivePack(pusher: Pusher): Promise<ReceivePackRepository> {
    const receiver = await (await this.#present().disk()).receivePack(pusher);
    return {
      ...receiver,
      openQuarantine: async (signal) => this.#throughWriter(await receiver.openQuarantine(signal)),
    };
  }

  async publishedFile(name: string): Promise<PublishedFile> {
    return await (await this.#present().disk()).publishedFile(name);
  }

  async openBundle(id: string): Promise<PublishedFile> {
    return await (await this.#present().disk()).openBundle(id);
  }

  async replica(): Promise<Replica> {
    return (await this.#present().disk()).replica();
  }

  async contents(): Promise<CopyContents> {
    return await (await this.#present().disk()).contents();
  }

  async uploadArchive(): Promise<ArchiveRepository> {
    return (await this.#present().disk()).uploadArchive();
  }

  #throughWriter(quarantine: Quarantine): Quarantine {
    return {
      receive: (pack, options) => quarantine.receive(pack, options),
      disconnected: (tips) => quarantine.disconnected(tips),
      kindsOf: (oids) => quarantine.kindsOf(oids),
      isAncestor: (ancestor, descendant) => quarantine.isAncestor(ancestor, descendant),
      shallowRoots: (tip) => quarantine.shallowRoots(tip),
      environment: () => quarantine.environment(),
      migrate: () => quarantine.migrate(),
      commit: (commands, options) =>
        this.#options
          .pool()
          .writer.call(
            { type: 'commit-push', quarantine, commands, options },
            { timeoutMs: this.#options.writeTimeoutMs },
          ),
      [Symbol.asyncDispose]: () => quarantine[Symbol.asyncDispose](),
    };
  }

  /** The repository itself, for what needs no turn of an agent; that it is in use is noticed. */
  #present(): PoolRepository {
    return this.#presence.get('now', () => {
      const { repository, reader } = this.#options.pool();
      reader.cast({ type: 'touch' });
      return repository;
    });
  }

  async #read<Method extends keyof ValueReads>(
    method: Method,
    ...args: Parameters<ValueReads[Method]>
  ): Promise<Awaited<ReturnType<ValueReads[Method]>>> {
    const { reader } = this.#options.pool();
    const answer = await reader.call(
      { type: 'read', method, args },
      { timeoutMs: this.#options.readTimeoutMs },
    );
    // The answer is what the method of this name returned.
    return answer as Awaited<ReturnType<ValueReads[Method]>>;
  }
}
