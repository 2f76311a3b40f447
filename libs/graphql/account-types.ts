import type { KeyRecord, TokenRecord, UserIdentity, UserRecord } from '#accounts';
import { mayManage } from './access.ts';
import { builder } from './builder.ts';
import { AuthenticationEnum, ScopeEnum } from './enums.ts';
import { connectionType } from './paging.ts';

export const Token = builder.objectRef<TokenRecord>('Token').implement({
  description: 'An access token. Its secret is shown once, when it is created.',
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    scopes: t.field({ type: [ScopeEnum], resolve: (token) => [...token.scopes] }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Null: it does not expire.',
      resolve: (token) => token.expiresAt,
    }),
    lastUsedAt: t.field({ type: 'DateTime', nullable: true, resolve: (token) => token.lastUsedAt }),
  }),
});

export const Key = builder.objectRef<KeyRecord>('Key').implement({
  description: 'A public SSH key.',
  fields: (t) => ({
    id: t.exposeID('id'),
    title: t.exposeString('title'),
    algorithm: t.exposeString('algorithm'),
    fingerprint: t.exposeString('fingerprint', { description: 'As `ssh-keygen -l` prints it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
});

export const User = builder.objectRef<UserRecord>('User').implement({
  fields: (t) => ({
    id: t.exposeID('id'),
    login: t.exposeString('login'),
    isAdmin: t.exposeBoolean('isAdmin'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    email: t.string({
      nullable: true,
      description: 'Null unless it is the caller’s own or the caller is an administrator.',
      resolve: (user, _args, context) => (mayManage(context.identity, user.id) ? user.email : undefined),
    }),
    tokens: t.field({
      type: [Token],
      nullable: true,
      description: 'Null unless it is the caller or the caller is an administrator.',
      resolve: async (user, _args, { identity, accounts }) =>
        mayManage(identity, user.id) ? [...(await accounts.tokens.list(user.id))] : undefined,
    }),
    keys: t.field({
      type: [Key],
      nullable: true,
      description: 'Null unless it is the caller or the caller is an administrator.',
      resolve: async (user, _args, { identity, accounts }) =>
        mayManage(identity, user.id) ? [...(await accounts.keys.list(user.id))] : undefined,
    }),
  }),
});

export const UserConnection = connectionType('User', User);

export const Viewer = builder.objectRef<UserIdentity>('Viewer').implement({
  description: 'Who is asking.',
  fields: (t) => ({
    login: t.exposeString('login'),
    isAdmin: t.exposeBoolean('isAdmin'),
    scopes: t.field({ type: [ScopeEnum], resolve: (viewer) => [...viewer.scopes] }),
    authentication: t.field({ type: AuthenticationEnum, resolve: (viewer) => viewer.via }),
    user: t.field({
      type: User,
      nullable: true,
      description: 'Null for the operator of this machine, who has no account.',
      resolve: async (viewer, _args, { accounts }) => {
        const user = await accounts.users.find(viewer.login);
        return user?.id === viewer.userId ? user : undefined;
      },
    }),
  }),
});
