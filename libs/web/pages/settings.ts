import { html } from 'hono/html';
import { scopes, type KeyRecord, type Scope, type TokenRecord, type UserIdentity } from '#accounts';
import { hasCode, PackhorseError } from '#base';
import type { Application } from '../application.ts';
import { formatTime } from '../format.ts';
import { page, type Markup } from '../layout.ts';
import type { WebContext } from '../session.ts';

const dayMs = 24 * 60 * 60 * 1000;
const lifetimesDays = [7, 30, 90, 365] as const;

const scopeLabels: Readonly<Record<Scope, string>> = {
  'repo:read': 'read repositories',
  'repo:write': 'read and write repositories',
  account: 'manage keys, tokens and repositories of this account',
  admin: 'administer this server',
};

function requireUser(context: WebContext): UserIdentity {
  const { identity } = context.var;
  if (identity.kind === 'anonymous')
    throw new PackhorseError('unauthenticated', 'Sign in to change your settings.');
  return identity;
}

function keySection(keys: readonly KeyRecord[]): Markup {
  const rows = keys.map(
    (key) =>
      html`<li>
        <strong>${key.title}</strong> <span class="quiet">added ${formatTime(key.createdAt.getTime())}</span
        ><br />
        <span class="mono">${key.algorithm} ${key.fingerprint}</span>
        <form method="post" action="/settings/keys/remove">
          <input type="hidden" name="id" value="${key.id}" /><button
            type="submit"
            class="danger"
            aria-label="Remove key ${key.title}"
          >
            Remove
          </button>
        </form>
      </li>`,
  );
  return html`<h2>SSH keys</h2>
    ${
      keys.length === 0
        ? html`<p class="quiet">No key yet: without one you can use HTTP only.</p>`
        : html`<section class="panel">
            <ul class="list">
              ${rows}
            </ul>
          </section>`
    }
    <form method="post" action="/settings/keys" class="stack">
      <div>
        <label for="public-key">Public key</label
        ><textarea
          id="public-key"
          name="publicKey"
          rows="3"
          class="mono"
          placeholder="ssh-ed25519 AAAA... you@laptop"
          required
        ></textarea>
      </div>
      <div>
        <label for="key-title">Title</label
        ><input id="key-title" name="title" placeholder="the comment of the key" />
      </div>
      <div><button type="submit">Add key</button></div>
    </form>`;
}

function tokenSection(tokens: readonly TokenRecord[], created: string | undefined, isAdmin: boolean): Markup {
  const rows = tokens.map(
    (token) =>
      html`<li>
        <strong>${token.name}</strong>
        <span class="quiet"
          >${token.scopes.map((scope) => scopeLabels[scope]).join(', ')};
          ${token.expiresAt === undefined ? 'never expires' : html`expires ${formatTime(token.expiresAt.getTime())}`};
          ${token.lastUsedAt === undefined ? 'never used' : html`last used ${formatTime(token.lastUsedAt.getTime())}`}</span
        >
        <form method="post" action="/settings/tokens/revoke">
          <input type="hidden" name="id" value="${token.id}" /><button
            type="submit"
            class="danger"
            aria-label="Revoke token ${token.name}"
          >
            Revoke
          </button>
        </form>
      </li>`,
  );
  const offered = scopes.filter((scope) => scope !== 'admin' || isAdmin);
  return html`<h2>Access tokens</h2>
    ${created === undefined ? '' : html`<p class="notice" role="status">Copy the new token now, it is not shown again:<br /><code>${created}</code></p>`}
    ${
      tokens.length === 0
        ? html`<p class="quiet">No token yet. A token is used as the password over HTTP.</p>`
        : html`<section class="panel">
            <ul class="list">
              ${rows}
            </ul>
          </section>`
    }
    <form method="post" action="/settings/tokens" class="stack">
      <div><label for="token-name">Name</label><input id="token-name" name="name" required /></div>
      <div>
        <label for="token-scope">It may</label
        ><select id="token-scope" name="scope">
          ${offered.map((scope) => html`<option value="${scope}" ${scope === 'repo:write' ? 'selected' : ''}>${scopeLabels[scope]}</option>`)}
        </select>
      </div>
      <div>
        <label for="token-days">It expires in</label
        ><select id="token-days" name="days">
          ${lifetimesDays.map((days) => html`<option value="${String(days)}" ${days === 90 ? 'selected' : ''}>${String(days)} days</option>`)}
          <option value="">never</option>
        </select>
      </div>
      <div><button type="submit">Create token</button></div>
    </form>`;
}

function passwordSection(): Markup {
  return html`<h2>Password</h2>
    <form method="post" action="/settings/password" class="stack">
      <div>
        <label for="current">Current password</label
        ><input id="current" name="current" type="password" autocomplete="current-password" required />
      </div>
      <div>
        <label for="new">New password</label
        ><input id="new" name="new" type="password" autocomplete="new-password" required />
      </div>
      <div><button type="submit">Change password</button></div>
    </form>`;
}

interface Outcome {
  readonly problem?: string;
  readonly done?: string;
  readonly token?: string;
}

async function show(
  context: WebContext,
  application: Application,
  user: UserIdentity,
  outcome: Outcome,
): Promise<Response> {
  const [keys, tokens] = await Promise.all([
    application.accounts.keys.list(user.userId),
    application.accounts.tokens.list(user.userId),
  ]);
  const body = html`<h1>Settings of ${user.login}</h1>
    ${outcome.problem === undefined ? '' : html`<p class="notice error" role="alert">${outcome.problem}</p>`}
    ${outcome.done === undefined ? '' : html`<p class="notice" role="status">${outcome.done}</p>`}
    ${keySection(keys)} ${tokenSection(tokens, outcome.token, user.isAdmin)} ${passwordSection()}`;
  const content = page({ title: 'Settings', identity: user, path: '/settings', body });
  // A secret may be on the page: it is neither kept nor compressed beside what others may choose (BREACH).
  context.header('cache-control', 'no-store, no-transform');
  return context.html(content, outcome.problem === undefined ? 200 : 400);
}

export async function showSettings(context: WebContext, application: Application): Promise<Response> {
  return show(context, application, requireUser(context), {});
}

type Change = (
  user: UserIdentity,
  field: (name: string) => string,
  application: Application,
  address: string,
) => Promise<Outcome>;

const addKey: Change = async (user, field, { accounts }) => {
  const title = field('title');
  const key = await accounts.keys.add(user.userId, {
    title: title === '' ? undefined : title,
    publicKey: field('publicKey'),
  });
  return { done: `The key ${key.fingerprint} was added.` };
};

const removeKey: Change = async (user, field, { accounts }) => {
  await accounts.keys.remove(user.userId, field('id'));
  return { done: 'The key was removed.' };
};

const createToken: Change = async (user, field, { accounts }) => {
  const scope = scopes.find((known) => known === field('scope'));
  if (scope === undefined || (scope === 'admin' && !user.isAdmin))
    throw new PackhorseError('invalid_argument', 'Choose what the token may do.');
  const days = Number(field('days'));
  const expiresAt = days > 0 ? new Date(Date.now() + days * dayMs) : undefined;
  const { token } = await accounts.tokens.create(user.userId, {
    name: field('name'),
    scopes: [scope],
    expiresAt,
  });
  return { token };
};

const revokeToken: Change = async (user, field, { accounts }) => {
  await accounts.tokens.revoke(user.userId, field('id'));
  return { done: 'The token was revoked.' };
};

const changePassword: Change = async (user, field, { accounts }, address) => {
  const proven = await accounts.authenticator.byPassword(user.login, field('current'), address);
  if (proven.via !== 'password')
    throw new PackhorseError('invalid_argument', 'Enter your current password, not a token.');
  await accounts.users.setPassword(user.userId, field('new'));
  return { done: 'The password was changed.' };
};

export const settingsChanges: Readonly<Record<string, Change>> = {
  keys: addKey,
  'keys/remove': removeKey,
  tokens: createToken,
  'tokens/revoke': revokeToken,
  password: changePassword,
};

/** Applies one form of the page, and shows the page with what came of it. */
export async function changeSettings(
  context: WebContext,
  application: Application,
  change: Change,
  address: string,
): Promise<Response> {
  const user = requireUser(context);
  const fields = await context.req.parseBody();
  const field = (name: string): string => (typeof fields[name] === 'string' ? fields[name].trim() : '');
  try {
    return await show(context, application, user, await change(user, field, application, address));
  } catch (thrown) {
    if (
      !hasCode(
        thrown,
        'invalid_argument',
        'already_exists',
        'not_found',
        'unauthenticated',
        'resource_exhausted',
      )
    )
      throw thrown;
    return show(context, application, user, { problem: thrown.message });
  }
}
