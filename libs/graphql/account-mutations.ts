import type { Scope, UserIdentity } from '#accounts';
import { PackhorseError } from '#base';
import { isAdministrator, managedUser, requireAdministrator, signedIn } from './access.ts';
import { Key, Token, User } from './account-types.ts';
import { builder } from './builder.ts';
import { cost } from './cost.ts';
import { ScopeEnum } from './enums.ts';

/** A password hash costs memory and time on purpose, so few of them fit into one request. */
const hashing = cost(2_000);
const writing = cost(100);

const whose = 'Whose; absent: the caller’s. Others’ only for administrators.';

const CreateUserInput = builder.inputType('CreateUserInput', {
  fields: (t) => ({
    login: t.string({ required: true }),
    email: t.string({ required: true }),
    password: t.string({ required: true }),
    isAdmin: t.boolean({ defaultValue: false }),
  }),
});

const SetPasswordInput = builder.inputType('SetPasswordInput', {
  fields: (t) => ({
    login: t.string({ description: whose }),
    password: t.string({ required: true }),
    currentPassword: t.string({ description: 'Needed from everyone but administrators.' }),
  }),
});

const CreateTokenInput = builder.inputType('CreateTokenInput', {
  fields: (t) => ({
    login: t.string({ description: whose }),
    name: t.string({ required: true, description: 'For people, to know it again.' }),
    scopes: t.field({ type: [ScopeEnum], required: true }),
    expiresAt: t.field({ type: 'DateTime', description: 'Absent: never.' }),
  }),
});

const OwnedInput = (name: string) =>
  builder.inputType(name, {
    fields: (t) => ({ login: t.string({ description: whose }), id: t.id({ required: true }) }),
  });

const RevokeTokenInput = OwnedInput('RevokeTokenInput');
const RemoveKeyInput = OwnedInput('RemoveKeyInput');

const AddKeyInput = builder.inputType('AddKeyInput', {
  fields: (t) => ({
    login: t.string({ description: whose }),
    title: t.string({ description: 'Absent: the comment of the key.' }),
    publicKey: t.string({ required: true, description: 'One line, as in `~/.ssh/id_ed25519.pub`.' }),
  }),
});

const CreatedToken = builder
  .objectRef<{ readonly secret: string; readonly token: typeof Token.$inferType }>('CreatedToken')
  .implement({
    fields: (t) => ({
      secret: t.exposeString('secret', { description: 'Shown this once; only its hash is stored.' }),
      token: t.field({ type: Token, resolve: ({ token }) => token }),
    }),
  });

/** Nobody gets a token that can do more than what they came with. */
function checkScopes(caller: UserIdentity, wanted: readonly Scope[]): void {
  if (wanted.length === 0) {
    throw new PackhorseError('invalid_argument', 'A token needs at least one scope.');
  }
  if (isAdministrator(caller)) return;
  const has = (scope: Scope): boolean =>
    caller.scopes.has(scope) || (scope === 'repo:read' && caller.scopes.has('repo:write'));
  const missing = wanted.find((scope) => scope === 'admin' || !has(scope));
  if (missing !== undefined) {
    throw new PackhorseError(
      'permission_denied',
      missing === 'admin'
        ? 'Only an administrator may create a token with the scope "admin".'
        : 'A token cannot create another one with scopes that it lacks itself.',
      { metadata: { scope: missing } },
    );
  }
}

builder.mutationType({
  fields: (t) => ({
    createUser: t.field({
      type: User,
      description: 'For administrators.',
      args: { input: t.arg({ type: CreateUserInput, required: true }) },
      extensions: hashing,
      resolve: (_root, { input }, { identity, accounts }) => {
        requireAdministrator(identity);
        return accounts.users.create({ ...input, isAdmin: input.isAdmin ?? false });
      },
    }),
    setPassword: t.field({
      type: User,
      args: { input: t.arg({ type: SetPasswordInput, required: true }) },
      extensions: hashing,
      resolve: async (_root, { input }, context) => {
        const user = await managedUser(context, input.login);
        if (!isAdministrator(context.identity)) {
          // A stolen token or session must not be enough to take the account over.
          await context.accounts.authenticator.byPassword(
            user.login,
            input.currentPassword ?? '',
            context.remoteAddress,
          );
        }
        await context.accounts.users.setPassword(user.id, input.password);
        return user;
      },
    }),
    createToken: t.field({
      type: CreatedToken,
      args: { input: t.arg({ type: CreateTokenInput, required: true }) },
      extensions: writing,
      resolve: async (_root, { input }, context) => {
        const user = await managedUser(context, input.login);
        const scopes = [...new Set(input.scopes)];
        checkScopes(signedIn(context.identity), scopes);
        if (scopes.includes('admin') && !user.isAdmin) {
          throw new PackhorseError('invalid_argument', 'The scope "admin" is only for administrators.');
        }
        const { token, record } = await context.accounts.tokens.create(user.id, {
          name: input.name,
          scopes,
          expiresAt: input.expiresAt ?? undefined,
        });
        return { secret: token, token: record };
      },
    }),
    revokeToken: t.id({
      description: 'Answers the id.',
      args: { input: t.arg({ type: RevokeTokenInput, required: true }) },
      extensions: writing,
      resolve: async (_root, { input }, context) => {
        const user = await managedUser(context, input.login);
        await context.accounts.tokens.revoke(user.id, input.id);
        return input.id;
      },
    }),
    addKey: t.field({
      type: Key,
      args: { input: t.arg({ type: AddKeyInput, required: true }) },
      extensions: writing,
      resolve: async (_root, { input }, context) => {
        const user = await managedUser(context, input.login);
        return context.accounts.keys.add(user.id, {
          title: input.title ?? undefined,
          publicKey: input.publicKey,
        });
      },
    }),
    removeKey: t.id({
      description: 'Answers the id.',
      args: { input: t.arg({ type: RemoveKeyInput, required: true }) },
      extensions: writing,
      resolve: async (_root, { input }, context) => {
        const user = await managedUser(context, input.login);
        await context.accounts.keys.remove(user.id, input.id);
        return input.id;
      },
    }),
  }),
});
