import { type Accounts, type RepositoryRecord } from '#accounts';
import { PackhorseError, randomId, type Oid } from '#base';
import type { RepositoryGateway } from '#gateway';
import type {
  CommitFields,
  Diff,
  MaintenanceRequest,
  RepositoryAgent,
  Signature,
  TagFields,
  TreeEntry,
} from '#git';
import type { Ref } from '#wire';

const unsupported = (): never => {
  throw new Error('the fake agent does not do this');
};

const someone: Signature = {
  name: 'Ada',
  email: 'ada@example.org',
  timestampMs: 1_700_000_000_000,
  offsetMinutes: 60,
};

const oidOf = (number: number): Oid => number.toString(16).padStart(40, '0');
const blobOid = 'b'.repeat(40);
const binaryOid = 'c'.repeat(40);
const readme = '# Grüße\n';

const diff: Diff = {
  files: [
    {
      status: 'modified',
      oldPath: 'README.md',
      newPath: 'README.md',
      oldMode: 0o100644,
      newMode: 0o100755,
      binary: false,
      addedLines: 1,
      removedLines: 1,
      hunks: [
        {
          header: '@@ -1 +1 @@',
          lines: [
            { origin: 'removed', oldLine: 1, text: 'Hello' },
            { origin: 'added', newLine: 1, text: '# Grüße' },
          ],
        },
      ],
      truncated: false,
    },
  ],
  stats: { files: 1, addedLines: 1, removedLines: 1 },
  omittedFiles: 0,
};

const entries: readonly TreeEntry[] = [
  { name: 'README.md', path: 'README.md', oid: blobOid, mode: 0o100644, kind: 'file' },
  { name: 'logo.png', path: 'logo.png', oid: binaryOid, mode: 0o100644, kind: 'file' },
  { name: 'src', path: 'src', oid: 'd'.repeat(40), mode: 0o040000, kind: 'tree' },
];

/** A repository in memory: `commits` commits on `main` (the newest has the highest number) and a tag `v1`. */
export class FakeAgent implements RepositoryAgent {
  readonly id = 'fake';
  commits: number;
  branch = 'refs/heads/main';
  problems: readonly string[] = [];

  constructor(commits: number) {
    this.commits = commits;
  }

  #commit(number: number): CommitFields {
    return {
      oid: oidOf(number),
      treeOid: 'e'.repeat(40),
      parents: number > 1 ? [oidOf(number - 1)] : [],
      author: someone,
      committer: someone,
      summary: `Change ${number}`,
      body: '',
    };
  }

  async head() {
    return { symref: this.branch, ...(this.commits > 0 && { oid: oidOf(this.commits) }) };
  }

  async refs(prefix: string): Promise<readonly Ref[]> {
    if (this.commits === 0) return [];
    const tip = oidOf(this.commits);
    const names = ['refs/heads/main', 'refs/heads/next', 'refs/heads/old', 'refs/tags/v1'];
    return names.filter((name) => name.startsWith(prefix)).map((name) => ({ name, oid: tip }));
  }

  async resolve(revision: string) {
    const ref = (await this.refs('')).find(({ name }) => name === revision);
    if (ref !== undefined) return { oid: ref.oid, kind: 'commit' as const, ref: ref.name };
    const oid = ['HEAD', 'main', 'v1'].includes(revision) ? oidOf(this.commits) : revision;
    return /^[0-9a-f]{40}$/.test(oid) && Number.parseInt(oid, 16) <= this.commits && this.commits > 0
      ? { oid, kind: 'commit' as const }
      : undefined;
  }

  async peel(oid: Oid) {
    return oid;
  }

  async commit(oid: Oid) {
    return this.#commit(Number.parseInt(oid, 16));
  }

  async tag(oid: Oid): Promise<TagFields> {
    throw new PackhorseError('invalid_argument', `There is no tag ${oid}.`);
  }

  async tree(_treeish: Oid, path: string) {
    if (path !== '') throw new PackhorseError('not_found', 'There is no such directory.');
    return entries;
  }

  async entry(_treeish: Oid, path: string) {
    return entries.find((entry) => entry.path === path);
  }

  async blob(oid: Oid) {
    if (oid === blobOid) return { oid, sizeBytes: Buffer.byteLength(readme), binary: false };
    if (oid === binaryOid) return { oid, sizeBytes: 4_000_000_000, binary: true };
    throw new PackhorseError('not_found', 'There is no such blob.');
  }

  async *blobContent() {
    // In the middle of a character, as chunks fall.
    yield Buffer.from(readme).subarray(0, 5);
    yield Buffer.from(readme).subarray(5);
  }

  async history({
    from,
    skip,
    limit,
  }: {
    readonly from: Oid;
    readonly skip: number;
    readonly limit: number;
  }) {
    const newest = Number.parseInt(from, 16) - skip;
    const numbers = Array.from(
      { length: Math.min(limit, Math.max(0, newest)) },
      (_, index) => newest - index,
    );
    return { commits: numbers.map((number) => this.#commit(number)), hasMore: newest > limit };
  }

  async lastCommits(commit: Oid): Promise<ReadonlyMap<string, CommitFields>> {
    const newest = await this.commit(commit);
    return new Map(entries.map(({ name }) => [name, newest]));
  }

  async diff() {
    return diff;
  }

  async aheadBehind(local: Oid, upstream: Oid) {
    const ahead = Number.parseInt(local, 16) - Number.parseInt(upstream, 16);
    return { ahead: Math.max(0, ahead), behind: Math.max(0, -ahead) };
  }

  async mergeBase(one: Oid, other: Oid) {
    return one < other ? one : other;
  }

  async transaction<Result>(work: (reader: FakeAgent) => Promise<Result>) {
    return work(this);
  }

  async setHead(ref: string) {
    if (ref.includes('..')) throw new PackhorseError('invalid_argument', 'This is not a valid branch name.');
    this.branch = ref;
  }

  async facts() {
    return {
      generation: this.commits,
      sizeBytes: 5_000_000_000,
      packs: 1,
      looseObjects: 2,
      refs: (await this.refs('')).length,
      objectFormat: 'sha1' as const,
      maintenance: {
        lastRunAtMs: 1_700_000_000_000,
        lastFailure: undefined,
        bitmap: 'pack' as const,
        commitsInGraph: this.commits,
        commitsOutsideGraph: 0,
        unreachableObjects: 0,
        garbageFiles: 0,
        garbageBytes: 0,
      },
    };
  }

  async maintain({ onProgress }: MaintenanceRequest) {
    onProgress('Packing everything\n');
    return {
      repack: 'full' as const,
      commitGraph: true,
      refsPacked: true,
      reflogEntriesForgotten: 0,
      packsRemoved: 1,
      nextRemovalAtMs: undefined,
    };
  }

  async verify() {
    return this.problems;
  }

  readonly createCommit = unsupported;
  readonly configValue = unsupported;
  readonly delegated = unsupported;
  readonly uploadPack = unsupported;
  readonly receivePack = unsupported;
  readonly publishedFile = unsupported;
  readonly uploadArchive = unsupported;
  readonly openBundle = unsupported;
}

/** Repositories in memory over (fake or real) accounts. */
export class FakeRepositories implements RepositoryGateway {
  readonly #accounts: Accounts;
  readonly agents = new Map<string, FakeAgent>();
  /** What an import does; a test may replace it. */
  importing: (source: string, onProgress: (text: string) => void) => Promise<void> = async (
    source,
    onProgress,
  ) => {
    onProgress(`Importing from ${source}\n`);
    onProgress('Receiving objects:  50% (1/2)\rReceiving objects: 100% (2/2)');
    onProgress(', done.\n');
  };

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  #agent(record: RepositoryRecord): FakeAgent {
    const agent = this.agents.get(record.id) ?? new FakeAgent(0);
    this.agents.set(record.id, agent);
    return agent;
  }

  /** Makes a repository with commits. */
  async add(
    owner: string,
    name: string,
    options: { readonly commits?: number; readonly isPrivate?: boolean },
  ) {
    const record = await this.#accounts.repositories.create(
      {
        kind: 'user',
        userId: 'operator',
        login: 'operator',
        email: '',
        isAdmin: true,
        via: 'token',
        scopes: new Set(['admin']),
      },
      {
        id: randomId(),
        ownerLogin: owner,
        name,
        description: `The ${name} of ${owner}`,
        visibility: options.isPrivate === true ? 'private' : 'public',
        objectFormat: 'sha1',
        placement: { volumeId: 'volume', epoch: 1 },
      },
    );
    const agent = new FakeAgent(options.commits ?? 0);
    this.agents.set(record.id, agent);
    return agent;
  }

  open: RepositoryGateway['open'] = async (identity, ownerLogin, name, action) => {
    const record = await this.#accounts.repositories.authorise(identity, ownerLogin, name, action);
    return { record, agent: this.#agent(record) };
  };

  create: RepositoryGateway['create'] = async (identity, input) => {
    const record = await this.#accounts.repositories.create(identity, {
      id: randomId(),
      ownerLogin: input.ownerLogin,
      name: input.name,
      description: input.description ?? '',
      visibility: input.visibility,
      objectFormat: input.objectFormat ?? 'sha1',
      placement: { volumeId: 'volume', epoch: 1 },
    });
    const agent = this.#agent(record);
    agent.branch = `refs/heads/${input.defaultBranch ?? 'main'}`;
    return { record, agent };
  };

  remove: RepositoryGateway['remove'] = async (identity, ownerLogin, name) => {
    const record = await this.#accounts.repositories.authorise(identity, ownerLogin, name, 'admin');
    await this.#accounts.repositories.remove(identity, record.id);
    this.agents.delete(record.id);
  };

  import: RepositoryGateway['import'] = async (identity, ownerLogin, name, source, onProgress) => {
    const { agent } = await this.open(identity, ownerLogin, name, 'write');
    await this.importing(source, onProgress);
    if (agent instanceof FakeAgent) agent.commits = 3;
  };
}
