import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ObjectFormat, type Oid, PackhorseError, type Settings } from '#base';
import type { CommitNode } from '#wire';
import type { ObjectReader } from '../object-reader.ts';
import type { GitRunner } from '../process/git-runner.ts';
import type { CommitFields, ObjectKind, TagFields } from '../reader.ts';
import { CatFileObjects } from './cat-file-objects.ts';
import { parseCommit } from './commit-object.ts';
import { Libgit2Objects } from './libgit2-objects.ts';
import type { Cacheable, RepositoryCache } from './object-cache.ts';
import type { ObjectHeader, RawObject } from './raw.ts';
import { parseTag } from './tag-object.ts';
import { parseTree, type TreeLine } from './tree-object.ts';

export interface RepositoryObjectsOptions {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly git: GitRunner;
  readonly settings: Pick<Settings['git'], 'maxObjectBytes'>;
  readonly cache: RepositoryCache;
}

/** Tags that name tags that name tags: past this a chain is taken for malicious. */
const maxTagDepth = 32;

/** Commits known to be commits because others name them as parents. */
const maxKnownCommits = 50_000;

/**
 * One open handle on a repository's objects: parsed, and cached. libgit2 reads them; `git cat-file`
 * answers what libgit2 cannot, such as a large blob's size, and stands in where libgit2 cannot
 * open the repository (SHA-256). Dispose it to close the handle.
 */
export class RepositoryObjects implements ObjectReader, AsyncDisposable {
  readonly objectFormat: ObjectFormat;
  readonly cache: RepositoryCache;
  /** Absent when libgit2 cannot read this repository. */
  readonly libgit2: Libgit2Objects | undefined;
  readonly #catFile: CatFileObjects;
  readonly #knownCommits = new Set<Oid>();

  private constructor(options: RepositoryObjectsOptions, libgit2: Libgit2Objects | undefined) {
    const { git, gitDir, settings } = options;
    this.objectFormat = options.objectFormat;
    this.cache = options.cache;
    this.libgit2 = libgit2;
    this.#catFile = new CatFileObjects({ git, gitDir, maxObjectBytes: settings.maxObjectBytes });
  }

  static async open(options: RepositoryObjectsOptions): Promise<RepositoryObjects> {
    const { gitDir, objectFormat, settings } = options;
    if (objectFormat !== 'sha1') return new RepositoryObjects(options, undefined);
    return new RepositoryObjects(options, await Libgit2Objects.open(gitDir, settings));
  }

  async header(oid: Oid): Promise<ObjectHeader | undefined> {
    return await this.cache.fetch('header', oid, () => this.#catFile.header(oid));
  }

  /** An object as it is, past the cache. */
  read(oid: Oid): Promise<RawObject | undefined> {
    return (this.libgit2 ?? this.#catFile).read(oid);
  }

  existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    return (this.libgit2 ?? this.#catFile).existing(oids);
  }

  /** The object whose id starts with `prefix`, as `RawObjects.expand`. */
  expand(prefix: string): Promise<Oid | undefined> {
    return (this.libgit2 ?? this.#catFile).expand(prefix);
  }

  async commitNode(oid: Oid): Promise<CommitNode | undefined> {
    const commitOid = this.#isKnownCommit(oid) ? oid : await this.#peelTo(oid, 'commit');
    const commit = commitOid === undefined ? undefined : await this.findCommit(commitOid);
    if (commitOid === undefined || commit === undefined) return undefined;
    if (this.#knownCommits.size > maxKnownCommits) this.#knownCommits.clear();
    for (const parent of commit.parents) this.#knownCommits.add(parent);
    return {
      oid: commitOid,
      parents: commit.parents,
      committerTimeSeconds: Math.floor(commit.committer.timestampMs / 1000),
    };
  }

  async peelTag(oid: Oid): Promise<Oid | undefined> {
    const header = await this.header(oid);
    return header?.kind === 'tag' ? await this.#peelTo(oid, undefined) : undefined;
  }

  /** The kind of an object that is asked for by its id. Throws `not_found`. */
  async kind(oid: Oid): Promise<ObjectKind> {
    const header = await this.header(oid);
    if (header === undefined) throw objectNotFound(oid);
    return header.kind;
  }

  /** The commit with this id. Throws `not_found`, and `invalid_argument` when the id names something else. */
  async commit(oid: Oid): Promise<CommitFields> {
    const commit =
      this.cache.get('commit', oid) ?? (await this.#checked(oid, 'commit', () => this.findCommit(oid)));
    return commit;
  }

  /** The tree with this id; throws as `commit` does. */
  async tree(oid: Oid): Promise<readonly TreeLine[]> {
    const tree = this.cache.get('tree', oid) ?? (await this.#checked(oid, 'tree', () => this.findTree(oid)));
    return tree;
  }

  /** The tag with this id; throws as `commit` does. */
  async tag(oid: Oid): Promise<TagFields> {
    return await this.#checked(oid, 'tag', () => this.#load('tag', oid, parseTag));
  }

  /** A commit that another object names; undefined when it is missing, as below a shallow commit, or something else. */
  findCommit(oid: Oid): Promise<CommitFields | undefined> {
    return this.#load('commit', oid, parseCommit);
  }

  /** A tree that a commit or another tree names; undefined when it is missing or something else. */
  findTree(oid: Oid): Promise<readonly TreeLine[] | undefined> {
    return this.#load('tree', oid, (id, bytes) => inSlices(parseTree(id, bytes, this.objectFormat)));
  }

  /** The lines of a tree with these names, for walks through many trees: what is read for them is not kept. */
  async findTreeLines(oid: Oid, names: ReadonlySet<string>): Promise<readonly TreeLine[] | undefined> {
    const cached = this.cache.get('tree', oid);
    if (cached !== undefined) return cached.filter(({ name }) => names.has(name));
    const object = await (this.libgit2 ?? this.#catFile).read(oid);
    if (object?.kind !== 'tree') return undefined;
    return await inSlices(parseTree(oid, object.bytes, this.objectFormat, names));
  }

  /** The bytes of a blob that is known to be small enough; undefined when it is missing or something else. */
  readBlob(oid: Oid): Promise<Buffer | undefined> {
    return this.#load('blob', oid, (_, bytes) => bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.libgit2?.[Symbol.asyncDispose](), this.#catFile[Symbol.asyncDispose]()]);
  }

  #isKnownCommit(oid: Oid): boolean {
    return this.#knownCommits.has(oid) || this.cache.get('commit', oid) !== undefined;
  }

  /** Follows tags to an object of `kind` (of any kind when undefined) that exists. */
  async #peelTo(oid: Oid, kind: ObjectKind | undefined): Promise<Oid | undefined> {
    let at = oid;
    for (let depth = 0; depth < maxTagDepth; depth += 1) {
      const header = await this.header(at);
      if (header === undefined) return undefined;
      if (header.kind !== 'tag') return kind === undefined || header.kind === kind ? at : undefined;
      const tag = await this.#load('tag', at, parseTag);
      if (tag === undefined) return undefined;
      at = tag.targetOid;
    }
    return undefined;
  }

  /** Asks for the kind first: an id that a user typed may name a blob of any size. */
  async #checked<Value>(oid: Oid, kind: ObjectKind, find: () => Promise<Value | undefined>): Promise<Value> {
    const found = await this.kind(oid);
    if (found !== kind) {
      throw new PackhorseError('invalid_argument', 'This object is of another kind.', {
        metadata: { oid, kind: found, wanted: kind },
      });
    }
    const value = await find();
    if (value === undefined) throw objectNotFound(oid);
    return value;
  }

  async #load<Kind extends ObjectKind>(
    kind: Kind,
    oid: Oid,
    parse: (oid: Oid, bytes: Buffer) => Cacheable[Kind] | Promise<Cacheable[Kind]>,
  ): Promise<Cacheable[Kind] | undefined> {
    return await this.cache.fetch(kind, oid, async () => {
      const object: RawObject | undefined = await (this.libgit2 ?? this.#catFile).read(oid);
      return object?.kind === kind ? await parse(oid, object.bytes) : undefined;
    });
  }
}

export function objectNotFound(oid: Oid): PackhorseError {
  return new PackhorseError('not_found', 'This object does not exist in the repository.', {
    metadata: { oid },
  });
}

/** Runs a generator to its end, with a turn for the rest of the server at every pause. */
async function inSlices<Value>(work: Generator<undefined, Value, undefined>): Promise<Value> {
  for (;;) {
    const next = work.next();
    if (next.done === true) return next.value;
    await nextTurn();
  }
}
