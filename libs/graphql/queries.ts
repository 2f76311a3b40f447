import type { RepositoryRecord, UserRecord } from '#accounts';
import { isAdministrator, requireAdministrator, signedIn } from './access.ts';
import { UserConnection, User, Viewer } from './account-types.ts';
import { builder } from './builder.ts';
import type { NodeInfo } from './context.ts';
import { Job } from './job-types.ts';
import { Observer } from './observer-types.ts';
import { keysetPage, pageArguments } from './paging.ts';
import { Repository, RepositoryConnection } from './repository-types.ts';
import { RepositoryView } from './repository-view.ts';

const Node = builder.objectRef<NodeInfo>('Node').implement({
  description: 'The server process that answers.',
  fields: (t) => ({
    name: t.exposeString('name'),
    region: t.exposeString('region'),
    version: t.exposeString('version'),
    httpUrl: t.exposeString('httpUrl'),
    sshUrl: t.string({ nullable: true, resolve: (node) => node.sshUrl }),
    observer: t.field({
      type: Observer,
      nullable: true,
      description: 'What it is doing now. Only for administrators; an error for everybody else.',
      resolve: (_node, _args, { identity, observe }) => {
        requireAdministrator(identity);
        return observe();
      },
    }),
  }),
});

builder.queryType({
  fields: (t) => ({
    node: t.field({ type: Node, resolve: (_root, _args, context) => context.node() }),
    viewer: t.field({
      type: Viewer,
      nullable: true,
      description: 'Null without a login.',
      resolve: (_root, _args, { identity }) => (identity.kind === 'user' ? identity : undefined),
    }),
    user: t.field({
      type: User,
      nullable: true,
      description: 'Needs a login. Null when there is no such user.',
      args: { login: t.arg.string({ required: true }) },
      resolve: (_root, { login }, { identity, accounts }) => {
        signedIn(identity);
        return accounts.users.find(login);
      },
    }),
    users: t.field({
      type: UserConnection,
      description: 'Everybody, by login. Needs a login.',
      args: pageArguments,
      resolve: (_root, args, context) => {
        signedIn(context.identity);
        return keysetPage(
          args,
          context,
          (user: UserRecord) => user.login,
          (page) => context.accounts.users.list(page),
        );
      },
    }),
    repository: t.field({
      type: Repository,
      nullable: true,
      description: 'An error with code `not_found` when it is not there or not for the caller to see.',
      args: { owner: t.arg.string({ required: true }), name: t.arg.string({ required: true }) },
      resolve: async (_root, { owner, name }, context) => {
        const { record, agent } = await context.repositories.open(context.identity, owner, name, 'read');
        return new RepositoryView(record, context, agent);
      },
    }),
    repositories: t.field({
      type: RepositoryConnection,
      description: 'What the caller may read, by owner and name.',
      args: { ...pageArguments, owner: t.arg.string({ description: 'Only those of this user.' }) },
      resolve: async (_root, args, context) => {
        const owner = args.owner ?? undefined;
        const page = await keysetPage(
          args,
          context,
          (record: RepositoryRecord) => `${record.ownerLogin}/${record.name}`,
          (page) =>
            context.accounts.repositories.list(context.identity, {
              ...page,
              ...(owner !== undefined && { ownerLogin: owner }),
            }),
        );
        return { ...page, nodes: page.nodes.map((record) => new RepositoryView(record, context)) };
      },
    }),
    job: t.field({
      type: Job,
      nullable: true,
      description: 'Null when it is unknown, forgotten or somebody else’s.',
      args: { id: t.arg.id({ required: true }) },
      resolve: (_root, { id }, { identity, jobs }) =>
        jobs.find(signedIn(identity), id, isAdministrator(identity)),
    }),
  }),
});
