import type { ByteStream, Oid } from '#base';
import type { Head, Ref } from '#wire';

/**
 * The read side of a repository agent: what pages and APIs ask. Object ids are full hexadecimal;
 * "revision" is what a person types (`main`, `v1.0`, `HEAD~3`, an abbreviated id).
 * Unless said otherwise a missing object throws `not_found`.
 */

export type ObjectKind = 'commit' | 'tree' | 'blob' | 'tag';

export interface Signature {
  readonly name: string;
  readonly email: string;
  readonly timestampMs: number;
  /** East of UTC. */
  readonly offsetMinutes: number;
}

export interface CommitFields {
  readonly oid: Oid;
  readonly treeOid: Oid;
  readonly parents: readonly Oid[];
  readonly author: Signature;
  readonly committer: Signature;
  /** First paragraph, on one line. */
  readonly summary: string;
  /** What follows the first paragraph; empty when there is nothing. */
  readonly body: string;
}

export interface TreeEntry {
  readonly name: string;
  /** From the root of the tree that was asked for, separated by `/`. */
  readonly path: string;
  readonly oid: Oid;
  /** File mode as in the tree object, such as 0o100644. */
  readonly mode: number;
  readonly kind: 'tree' | 'file' | 'executable' | 'symlink' | 'submodule';
}

export interface BlobFields {
  readonly oid: Oid;
  readonly sizeBytes: number;
  /** A NUL among the first 8,000 bytes, as git decides it. */
  readonly binary: boolean;
}

export interface ResolvedRevision {
  readonly oid: Oid;
  readonly kind: ObjectKind;
  /** Full ref name when the revision was one (after git's usual search order). */
  readonly ref?: string;
}

/** An annotated tag (git-mktag(1)). */
export interface TagFields {
  readonly oid: Oid;
  /** As the tag says it; the ref may be called otherwise. */
  readonly name: string;
  /** Absent in tags of Git's first months. */
  readonly tagger?: Signature;
  /** First paragraph of the message, on one line. */
  readonly summary: string;
  /** What follows it, without the signature. */
  readonly body: string;
  readonly targetOid: Oid;
  readonly targetKind: ObjectKind;
}

export interface HistoryRequest {
  readonly from: Oid;
  /** Only commits that cannot be reached from this one. */
  readonly notIn?: Oid;
  /** Only commits that change this path (and none hidden by simplification, as `git log -- path`). */
  readonly path?: string;
  readonly skip: number;
  readonly limit: number;
}

export interface HistoryPage {
  readonly commits: readonly CommitFields[];
  readonly hasMore: boolean;
}

export interface DiffLine {
  readonly origin: 'context' | 'added' | 'removed' | 'no-newline';
  readonly oldLine?: number;
  readonly newLine?: number;
  readonly text: string;
}

export interface DiffHunk {
  /** The `@@ ... @@` line with the function context. */
  readonly header: string;
  readonly lines: readonly DiffLine[];
}

export interface DiffFile {
  readonly status: 'added' | 'deleted' | 'modified' | 'renamed' | 'copied' | 'typechange';
  readonly oldPath: string;
  readonly newPath: string;
  readonly oldMode: number;
  readonly newMode: number;
  readonly binary: boolean;
  readonly addedLines: number;
  readonly removedLines: number;
  readonly hunks: readonly DiffHunk[];
  /** True when hunks were left out because of the line limit. */
  readonly truncated: boolean;
}

export interface Diff {
  readonly files: readonly DiffFile[];
  readonly stats: { readonly files: number; readonly addedLines: number; readonly removedLines: number };
  /** How many changed files are counted in `stats` but not listed. */
  readonly omittedFiles: number;
}

export interface DiffRequest {
  /** Tree-ish to compare with; absent: the empty tree. */
  readonly oldOid?: Oid;
  readonly newOid: Oid;
  readonly path?: string;
  readonly contextLines?: number;
}

export interface RepositoryReader {
  head(): Promise<Head>;
  /** Refs whose full name starts with `prefix`, sorted by name. */
  refs(prefix: string): Promise<readonly Ref[]>;
  /** undefined when nothing is meant by it. Throws `invalid_argument` when an abbreviation is ambiguous. */
  resolve(revision: string): Promise<ResolvedRevision | undefined>;
  /** Follows tags, and from a commit to its tree, until `kind`. Throws `invalid_argument` when that does not lead there. */
  peel(oid: Oid, kind: ObjectKind): Promise<Oid>;
  commit(oid: Oid): Promise<CommitFields>;
  /** The annotated tag with this id. Throws `invalid_argument` when the id names something else. */
  tag(oid: Oid): Promise<TagFields>;
  /** Entries of the tree at `path` (empty: the root) below a tree-ish, directories as they are sorted in the tree. */
  tree(treeish: Oid, path: string): Promise<readonly TreeEntry[]>;
  /** undefined when there is nothing at that path. */
  entry(treeish: Oid, path: string): Promise<TreeEntry | undefined>;
  blob(oid: Oid): Promise<BlobFields>;
  /** The content, in chunks. Held to the reader's pace. */
  blobContent(oid: Oid): ByteStream;
  history(request: HistoryRequest): Promise<HistoryPage>;
  /** For each entry of the tree at `path`: the newest commit that changed it. Entries may be missing when it took too long. */
  lastCommits(commit: Oid, path: string): Promise<ReadonlyMap<string, CommitFields>>;
  diff(request: DiffRequest): Promise<Diff>;
  aheadBehind(local: Oid, upstream: Oid): Promise<{ readonly ahead: number; readonly behind: number }>;
  /** undefined when the histories are unrelated. */
  mergeBase(one: Oid, other: Oid): Promise<Oid | undefined>;
}

export interface FileChange {
  readonly path: string;
  /** undefined deletes the file. */
  readonly content: Uint8Array | undefined;
  readonly executable?: boolean;
}

export interface CreateCommitRequest {
  /** Full ref name to move, with compare-and-swap on `expectedOid` (undefined: the ref must not exist). */
  readonly ref: string;
  readonly expectedOid: Oid | undefined;
  readonly changes: readonly FileChange[];
  readonly message: string;
  readonly author: Signature;
  readonly committer: Signature;
}
