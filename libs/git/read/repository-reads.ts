import type { ByteStream, Oid } from '#base';
import type { Head, Ref } from '#wire';
import type {
  BlobFields,
  CommitFields,
  Diff,
  DiffRequest,
  HistoryPage,
  HistoryRequest,
  ObjectKind,
  RepositoryReader,
  ResolvedRevision,
  TagFields,
  TreeEntry,
} from '../reader.ts';
import { aheadBehind, mergeBase } from './ancestry.ts';
import { blobFields, openBlob } from './blobs.ts';
import type { ReadContext } from './context.ts';
import { diff } from './diff.ts';
import { history } from './history.ts';
import { peel, resolve } from './revisions.ts';
import { findEntry, listDirectory } from './trees.ts';

/** All reads of one repository over one handle. */
export class RepositoryReads implements RepositoryReader {
  readonly #context: ReadContext;

  constructor(context: ReadContext) {
    this.#context = context;
  }

  async head(): Promise<Head> {
    return (await this.#context.refs()).head;
  }

  async refs(prefix: string): Promise<readonly Ref[]> {
    return (await this.#context.refs()).withPrefix(prefix);
  }

  resolve(revision: string): Promise<ResolvedRevision | undefined> {
    return resolve(this.#context, revision);
  }

  peel(oid: Oid, kind: ObjectKind): Promise<Oid> {
    return peel(this.#context, oid, kind);
  }

  commit(oid: Oid): Promise<CommitFields> {
    return this.#context.objects.commit(oid);
  }

  tag(oid: Oid): Promise<TagFields> {
    return this.#context.objects.tag(oid);
  }

  async tree(treeish: Oid, path: string): Promise<readonly TreeEntry[]> {
    return await listDirectory(this.#context, await peel(this.#context, treeish, 'tree'), path);
  }

  async entry(treeish: Oid, path: string): Promise<TreeEntry | undefined> {
    return await findEntry(this.#context, await peel(this.#context, treeish, 'tree'), path);
  }

  blob(oid: Oid): Promise<BlobFields> {
    return blobFields(this.#context, oid);
  }

  async *blobContent(oid: Oid): AsyncGenerator<Uint8Array, void, undefined> {
    yield* await this.openBlob(oid);
  }

  /** `blobContent`, with everything that can be wrong already thrown. */
  openBlob(oid: Oid): Promise<ByteStream> {
    return openBlob(this.#context, oid);
  }

  history(request: HistoryRequest): Promise<HistoryPage> {
    return history(this.#context, request);
  }

  async lastCommits(commit: Oid, path: string): Promise<ReadonlyMap<string, CommitFields>> {
    const fields = await this.commit(await peel(this.#context, commit, 'commit'));
    return await this.#context.lastCommits.find(this.#context, fields, path);
  }

  diff(request: DiffRequest): Promise<Diff> {
    return diff(this.#context, request);
  }

  aheadBehind(local: Oid, upstream: Oid): Promise<{ readonly ahead: number; readonly behind: number }> {
    return aheadBehind(this.#context, local, upstream);
  }

  mergeBase(one: Oid, other: Oid): Promise<Oid | undefined> {
    return mergeBase(this.#context, one, other);
  }
}
