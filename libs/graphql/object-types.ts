import { collect } from '#base';
import type { BlobFields, Diff, DiffFile, DiffHunk, DiffLine, RepositoryAgent, Signature } from '#git';
import { builder } from './builder.ts';
import { cost } from './cost.ts';
import { DiffLineOriginEnum, DiffStatusEnum, EntryKindEnum } from './enums.ts';
import {
  connectionType,
  pageArguments,
  positionPage,
  type Connection,
  type PageArguments,
} from './paging.ts';
import { diffRequest, type CommitView, type TreeEntryView } from './repository-view.ts';
import type { Context } from './context.ts';

export const SignatureType = builder.objectRef<Signature>('Signature').implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    email: t.exposeString('email'),
    date: t.field({ type: 'DateTime', resolve: ({ timestampMs }) => new Date(timestampMs) }),
    offsetMinutes: t.exposeInt('offsetMinutes', { description: 'Time zone, east of UTC.' }),
  }),
});

/** What can be a megabyte or more: a hundred of them in one answer are enough for the memory. */
export const holding = cost(200);

const octalMode = (mode: number): string => mode.toString(8).padStart(6, '0');

export interface BlobView {
  readonly agent: RepositoryAgent;
  readonly fields: BlobFields;
}

export const Blob = builder.objectRef<BlobView>('Blob').implement({
  fields: (t) => ({
    oid: t.string({ resolve: ({ fields }) => fields.oid }),
    sizeBytes: t.field({ type: 'Long', resolve: ({ fields }) => fields.sizeBytes }),
    isBinary: t.boolean({ resolve: ({ fields }) => fields.binary }),
    text: t.string({
      nullable: true,
      description:
        'Null for binary and for large files (1 MiB unless configured); invalid UTF-8 is replaced.',
      extensions: holding,
      resolve: async ({ agent, fields }, _args, { limits }) =>
        fields.binary || fields.sizeBytes > limits.maxBlobTextBytes
          ? undefined
          : (await collect(agent.blobContent(fields.oid), limits.maxBlobTextBytes)).toString('utf8'),
    }),
  }),
});

export const TreeEntry = builder.objectRef<TreeEntryView>('TreeEntry').implement({
  fields: (t) => ({
    name: t.string({ resolve: ({ entry }) => entry.name }),
    path: t.string({ resolve: ({ entry }) => entry.path, description: 'From the root of the tree.' }),
    oid: t.string({ resolve: ({ entry }) => entry.oid }),
    mode: t.string({ resolve: ({ entry }) => octalMode(entry.mode), description: 'Such as `100644`.' }),
    kind: t.field({ type: EntryKindEnum, resolve: ({ entry }) => entry.kind }),
    blob: t.field({
      type: Blob,
      nullable: true,
      description: 'Null for directories and submodules.',
      resolve: async ({ agent, entry }) =>
        entry.kind === 'tree' || entry.kind === 'submodule'
          ? undefined
          : { agent, fields: await agent.blob(entry.oid) },
    }),
  }),
});

export const TreeEntryConnection = connectionType('TreeEntry', TreeEntry);

const DiffLineType = builder.objectRef<DiffLine>('DiffLine').implement({
  fields: (t) => ({
    origin: t.expose('origin', { type: DiffLineOriginEnum }),
    oldLine: t.int({ nullable: true, resolve: ({ oldLine }) => oldLine }),
    newLine: t.int({ nullable: true, resolve: ({ newLine }) => newLine }),
    text: t.exposeString('text'),
  }),
});

const DiffHunkType = builder.objectRef<DiffHunk>('DiffHunk').implement({
  fields: (t) => ({
    header: t.exposeString('header'),
    lines: t.field({ type: [DiffLineType], resolve: ({ lines }) => [...lines] }),
  }),
});

const DiffFileType = builder.objectRef<DiffFile>('DiffFile').implement({
  fields: (t) => ({
    status: t.expose('status', { type: DiffStatusEnum }),
    oldPath: t.exposeString('oldPath'),
    newPath: t.exposeString('newPath'),
    oldMode: t.string({ resolve: ({ oldMode }) => octalMode(oldMode) }),
    newMode: t.string({ resolve: ({ newMode }) => octalMode(newMode) }),
    isBinary: t.exposeBoolean('binary'),
    addedLines: t.exposeInt('addedLines'),
    removedLines: t.exposeInt('removedLines'),
    hunks: t.field({ type: [DiffHunkType], resolve: ({ hunks }) => [...hunks] }),
    isTruncated: t.exposeBoolean('truncated', { description: 'True when hunks were left out.' }),
  }),
});

export const DiffType = builder.objectRef<Diff>('Diff').implement({
  fields: (t) => ({
    changedFiles: t.int({ resolve: ({ stats }) => stats.files }),
    addedLines: t.int({ resolve: ({ stats }) => stats.addedLines }),
    removedLines: t.int({ resolve: ({ stats }) => stats.removedLines }),
    files: t.field({ type: [DiffFileType], resolve: ({ files }) => [...files] }),
    omittedFiles: t.exposeInt('omittedFiles', {
      description: 'Changed files that are counted but not listed.',
    }),
  }),
});

/** A page of the history that starts at `from`; the cursor keeps the starting commit. */
export async function historyPage(
  agent: RepositoryAgent,
  from: string,
  args: PageArguments & { readonly path?: string | null | undefined },
  context: Context,
): Promise<Connection<CommitView>> {
  const path = args.path ?? '';
  return positionPage(args, context, `${from}:${path}`, async (skip, limit) => {
    const page = await agent.history({ from, skip, limit, ...(path !== '' && { path }) });
    return { nodes: page.commits.map((fields) => ({ agent, fields })), hasMore: page.hasMore };
  });
}

/** A page of the entries at `path` below a tree-ish. */
export async function treePage(
  agent: RepositoryAgent,
  treeish: string,
  path: string,
  args: PageArguments,
  context: Context,
): Promise<Connection<TreeEntryView>> {
  return positionPage(args, context, `${treeish}:${path}`, async (skip, limit) => {
    const entries = await agent.tree(treeish, path);
    return {
      nodes: entries.slice(skip, skip + limit).map((entry) => ({ agent, entry })),
      hasMore: entries.length > skip + limit,
    };
  });
}

export const Commit = builder.objectRef<CommitView>('Commit');
export const CommitConnection = connectionType('Commit', Commit);

Commit.implement({
  fields: (t) => ({
    oid: t.string({ resolve: ({ fields }) => fields.oid }),
    treeOid: t.string({ resolve: ({ fields }) => fields.treeOid }),
    parents: t.stringList({ resolve: ({ fields }) => [...fields.parents] }),
    author: t.field({ type: SignatureType, resolve: ({ fields }) => fields.author }),
    committer: t.field({ type: SignatureType, resolve: ({ fields }) => fields.committer }),
    summary: t.string({ resolve: ({ fields }) => fields.summary, description: 'The first paragraph.' }),
    body: t.string({ resolve: ({ fields }) => fields.body, description: 'What follows it.' }),
    history: t.field({
      type: CommitConnection,
      description: 'This commit and its ancestors, newest first; with `path`, those that change it.',
      args: { ...pageArguments, path: t.arg.string() },
      extensions: cost(20),
      resolve: ({ agent, fields }, args, context) => historyPage(agent, fields.oid, args, context),
    }),
    tree: t.field({
      type: TreeEntryConnection,
      description: 'The directory at `path`; without it, the root.',
      args: { ...pageArguments, path: t.arg.string({ defaultValue: '' }) },
      resolve: ({ agent, fields }, args, context) =>
        treePage(agent, fields.oid, args.path ?? '', args, context),
    }),
    entry: t.field({
      type: TreeEntry,
      nullable: true,
      description: 'What is at `path`; null when nothing is.',
      args: { path: t.arg.string({ required: true }) },
      resolve: async ({ agent, fields }, { path }) => {
        const entry = await agent.entry(fields.oid, path);
        return entry && { agent, entry };
      },
    }),
    diff: t.field({
      type: DiffType,
      description: 'What it changes compared with its first parent.',
      args: { path: t.arg.string() },
      extensions: holding,
      resolve: ({ agent, fields }, { path }) => agent.diff(diffRequest(fields.parents[0], fields.oid, path)),
    }),
  }),
});
