import type { RepositoryRole } from '#accounts';
import type { RepositoryFacts } from '#git';
import type { Ref } from '#wire';
import { builder } from './builder.ts';
import { cost } from './cost.ts';
import { BitmapEnum, ObjectFormatEnum, RoleEnum, VisibilityEnum } from './enums.ts';
import {
  Blob,
  Commit,
  CommitConnection,
  DiffType,
  historyPage,
  holding,
  TreeEntry,
  TreeEntryConnection,
  treePage,
} from './object-types.ts';
import { connectionType, pageArguments, sortedPage } from './paging.ts';
import { diffRequest, type CommitView, type RepositoryView } from './repository-view.ts';

interface RefView {
  readonly repository: RepositoryView;
  readonly ref: Ref;
}

interface HeadView {
  readonly repository: RepositoryView;
  readonly oid: string | undefined;
  readonly symref: string | undefined;
}

const shortName = (name: string): string => name.replace(/^refs\/(heads|tags)\//, '');

async function commitAt(repository: RepositoryView, revision: string): Promise<CommitView | undefined> {
  const oid = await repository.commitOid(revision);
  if (oid === undefined) return undefined;
  const agent = await repository.agent();
  return { agent, fields: await agent.commit(oid) };
}

const RefType = builder.objectRef<RefView>('Ref').implement({
  description: 'A branch, a tag or any other ref.',
  fields: (t) => ({
    name: t.string({ resolve: ({ ref }) => ref.name, description: 'Full, such as `refs/heads/main`.' }),
    shortName: t.string({ resolve: ({ ref }) => shortName(ref.name) }),
    oid: t.string({ resolve: ({ ref }) => ref.oid }),
    peeledOid: t.string({
      nullable: true,
      description: 'For an annotated tag: what it finally names.',
      resolve: ({ ref }) => ref.peeled,
    }),
    symref: t.string({
      nullable: true,
      description: 'For a symbolic ref: its target.',
      resolve: ({ ref }) => ref.symref,
    }),
    commit: t.field({
      type: Commit,
      nullable: true,
      description: 'Null when it does not name a commit.',
      resolve: async ({ repository, ref }) => {
        const agent = await repository.agent();
        const oid = ref.peeled ?? ref.oid;
        const resolved = await agent.resolve(oid);
        return resolved?.kind === 'commit' ? { agent, fields: await agent.commit(oid) } : undefined;
      },
    }),
  }),
});

const RefConnection = connectionType('Ref', RefType);

const HeadType = builder.objectRef<HeadView>('Head').implement({
  description: 'What a clone checks out.',
  fields: (t) => ({
    ref: t.string({
      nullable: true,
      description: 'The default branch, such as `refs/heads/main`; null when HEAD is detached.',
      resolve: ({ symref }) => symref,
    }),
    branch: t.string({
      nullable: true,
      description: 'Its short name, such as `main`.',
      resolve: ({ symref }) => symref && shortName(symref),
    }),
    oid: t.string({
      nullable: true,
      description: 'Null while the branch has no commit.',
      resolve: ({ oid }) => oid,
    }),
    commit: t.field({
      type: Commit,
      nullable: true,
      resolve: ({ repository, oid }) => (oid === undefined ? undefined : commitAt(repository, oid)),
    }),
  }),
});

const AheadBehind = builder
  .objectRef<{ readonly ahead: number; readonly behind: number }>('AheadBehind')
  .implement({ fields: (t) => ({ ahead: t.exposeInt('ahead'), behind: t.exposeInt('behind') }) });

const Maintenance = builder.objectRef<RepositoryFacts['maintenance']>('RepositoryMaintenance').implement({
  description: 'How well the files on disk are looked after.',
  fields: (t) => ({
    lastRunAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Null before the first run.',
      resolve: ({ lastRunAtMs }) => (lastRunAtMs === undefined ? null : new Date(lastRunAtMs)),
    }),
    lastFailure: t.string({
      nullable: true,
      description: 'Why the last run failed; null when it did not.',
      resolve: ({ lastFailure }) => lastFailure,
    }),
    bitmap: t.expose('bitmap', { type: BitmapEnum }),
    commitsInGraph: t.exposeInt('commitsInGraph', { description: 'Commits in the commit-graph.' }),
    commitsOutsideGraph: t.exposeInt('commitsOutsideGraph', {
      description: 'Commits that refs reach and that are not in the commit-graph, counted up to a limit.',
    }),
    unreachableObjects: t.exposeInt('unreachableObjects', {
      description: 'Objects that nothing reaches, as far as they were found.',
    }),
    garbageFiles: t.exposeInt('garbageFiles', {
      description: 'Packs and stray files that are going to be removed.',
    }),
    garbageBytes: t.expose('garbageBytes', { type: 'Long' }),
  }),
});

const Facts = builder.objectRef<RepositoryFacts>('RepositoryFacts').implement({
  description: 'What is on disk.',
  fields: (t) => ({
    generation: t.expose('generation', {
      type: 'Long',
      description: 'Grows with every accepted ref transaction.',
    }),
    sizeBytes: t.expose('sizeBytes', { type: 'Long' }),
    packs: t.exposeInt('packs'),
    looseObjects: t.exposeInt('looseObjects'),
    refs: t.exposeInt('refs'),
    maintenance: t.expose('maintenance', { type: Maintenance }),
  }),
});

const Collaborator = builder
  .objectRef<{ readonly login: string; readonly role: RepositoryRole }>('Collaborator')
  .implement({
    fields: (t) => ({ login: t.exposeString('login'), role: t.expose('role', { type: RoleEnum }) }),
  });

export const Repository = builder.objectRef<RepositoryView>('Repository');
export const RepositoryConnection = connectionType('Repository', Repository);

Repository.implement({
  fields: (t) => ({
    id: t.id({ resolve: ({ record }) => record.id }),
    owner: t.string({ resolve: ({ record }) => record.ownerLogin }),
    name: t.string({ resolve: ({ record }) => record.name }),
    fullName: t.string({ resolve: (view) => view.fullName, description: '`OWNER/NAME`.' }),
    description: t.string({ resolve: ({ record }) => record.description }),
    visibility: t.field({ type: VisibilityEnum, resolve: ({ record }) => record.visibility }),
    objectFormat: t.field({ type: ObjectFormatEnum, resolve: ({ record }) => record.objectFormat }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ record }) => record.createdAt }),
    httpUrl: t.string({
      description: 'What `git clone` takes.',
      resolve: (view, _args, { node }) => `${node().httpUrl}/${view.fullName}.git`,
    }),
    sshUrl: t.string({
      nullable: true,
      description: 'Null when the node has no SSH door.',
      resolve: (view, _args, { node }) => {
        const { sshUrl } = node();
        return sshUrl && `${sshUrl}/${view.fullName}.git`;
      },
    }),
    head: t.field({
      type: HeadType,
      nullable: true,
      description: 'Null, with an error, when the repository cannot be opened right now.',
      resolve: async (repository) => {
        const { oid, symref } = await (await repository.agent()).head();
        return { repository, oid, symref };
      },
    }),
    refs: t.field({
      type: RefConnection,
      description: 'Refs whose full name starts with `prefix`, by name.',
      args: { ...pageArguments, prefix: t.arg.string({ defaultValue: 'refs/' }) },
      resolve: (repository, args, context) => refPage(repository, args.prefix ?? 'refs/', args, context),
    }),
    branches: t.field({
      type: RefConnection,
      args: pageArguments,
      resolve: (repository, args, context) => refPage(repository, 'refs/heads/', args, context),
    }),
    tags: t.field({
      type: RefConnection,
      args: pageArguments,
      resolve: (repository, args, context) => refPage(repository, 'refs/tags/', args, context),
    }),
    facts: t.field({
      type: Facts,
      nullable: true,
      description: 'Null, with an error, when the repository cannot be opened right now.',
      extensions: cost(10),
      resolve: async (repository) => (await repository.agent()).facts(),
    }),
    collaborators: t.field({
      type: [Collaborator],
      nullable: true,
      description: 'Null, with an error, for those who may not administer the repository.',
      resolve: async ({ record }, _args, { accounts, identity }) => [
        ...(await accounts.repositories.collaborators(identity, record.id)),
      ],
    }),
  }),
});

/** What is in the repository, by revision: what a person types, such as `main`, `v1.0` or `HEAD~3`. */
builder.objectFields(Repository, (t) => ({
  commit: t.field({
    type: Commit,
    nullable: true,
    description: 'Null when nothing is meant by `revision`.',
    args: { revision: t.arg.string({ defaultValue: 'HEAD' }) },
    resolve: (repository, { revision }) => commitAt(repository, revision ?? 'HEAD'),
  }),
  history: t.field({
    type: CommitConnection,
    description: 'The commits that lead to `revision`, newest first; with `path`, those that change it.',
    args: {
      ...pageArguments,
      revision: t.arg.string({ defaultValue: 'HEAD' }),
      path: t.arg.string(),
    },
    extensions: cost(20),
    resolve: async (repository, args, context) =>
      historyPage(
        await repository.agent(),
        await repository.requireCommitOid(args.revision ?? 'HEAD'),
        args,
        context,
      ),
  }),
  tree: t.field({
    type: TreeEntryConnection,
    description: 'The directory at `path`; without it, the root.',
    args: {
      ...pageArguments,
      revision: t.arg.string({ defaultValue: 'HEAD' }),
      path: t.arg.string({ defaultValue: '' }),
    },
    resolve: async (repository, args, context) =>
      treePage(
        await repository.agent(),
        await repository.requireCommitOid(args.revision ?? 'HEAD'),
        args.path ?? '',
        args,
        context,
      ),
  }),
  entry: t.field({
    type: TreeEntry,
    nullable: true,
    description: 'What is at `path`; null when nothing is.',
    args: {
      revision: t.arg.string({ defaultValue: 'HEAD' }),
      path: t.arg.string({ required: true }),
    },
    resolve: async (repository, { revision, path }) => {
      const agent = await repository.agent();
      const entry = await agent.entry(await repository.requireCommitOid(revision ?? 'HEAD'), path);
      return entry && { agent, entry };
    },
  }),
  blob: t.field({
    type: Blob,
    args: { oid: t.arg.string({ required: true }) },
    resolve: async (repository, { oid }) => {
      const agent = await repository.agent();
      return { agent, fields: await agent.blob(oid) };
    },
  }),
  diff: t.field({
    type: DiffType,
    description: 'What changes from `base` to `head`, tree against tree.',
    args: {
      base: t.arg.string({ required: true }),
      head: t.arg.string({ required: true }),
      path: t.arg.string(),
    },
    extensions: holding,
    resolve: async (repository, { base, head, path }) => {
      const [oldOid, newOid] = await Promise.all([
        repository.requireCommitOid(base),
        repository.requireCommitOid(head),
      ]);
      return (await repository.agent()).diff(diffRequest(oldOid, newOid, path));
    },
  }),
  mergeBase: t.field({
    type: Commit,
    nullable: true,
    description: 'The newest common ancestor; null when the histories are unrelated.',
    args: { one: t.arg.string({ required: true }), other: t.arg.string({ required: true }) },
    extensions: cost(20),
    resolve: async (repository, { one, other }) => {
      const agent = await repository.agent();
      const oid = await agent.mergeBase(
        await repository.requireCommitOid(one),
        await repository.requireCommitOid(other),
      );
      return oid === undefined ? undefined : { agent, fields: await agent.commit(oid) };
    },
  }),
  aheadBehind: t.field({
    type: AheadBehind,
    description: 'How many commits `revision` has that `upstream` lacks, and the other way round.',
    args: { revision: t.arg.string({ required: true }), upstream: t.arg.string({ required: true }) },
    extensions: cost(20),
    resolve: async (repository, { revision, upstream }) =>
      (await repository.agent()).aheadBehind(
        await repository.requireCommitOid(revision),
        await repository.requireCommitOid(upstream),
      ),
  }),
}));

async function refPage(
  repository: RepositoryView,
  prefix: string,
  args: Parameters<typeof sortedPage>[0],
  context: Parameters<typeof sortedPage>[1],
) {
  const refs = await (await repository.agent()).refs(prefix);
  const page = sortedPage(args, context, (ref) => ref.name, refs);
  return { ...page, nodes: page.nodes.map((ref) => ({ repository, ref })) };
}
