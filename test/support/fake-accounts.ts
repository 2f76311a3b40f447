import { randomBytes } from 'node:crypto';
import {
  anonymous,
  completePlacement,
  decide,
  scopes as allScopes,
  type Accounts,
  type Identity,
  type KeyRecord,
  type Page,
  type RepositoryRecord,
  type RepositoryRole,
  type Scope,
  type TokenRecord,
  type UserIdentity,
  type UserRecord,
} from '#accounts';
import { PackhorseError, randomId } from '#base';

interface StoredUser {
  readonly record: UserRecord;
  password: string;
  readonly tokens: { readonly secret: string; readonly record: TokenRecord }[];
  readonly keys: KeyRecord[];
}

interface StoredRepository {
  record: RepositoryRecord;
  readonly roles: Map<string, RepositoryRole>;
}

const unsupported = (): never => {
  throw new Error('the fake accounts do not do this');
};

function pageOf<Item>(items: readonly Item[], keyOf: (item: Item) => string, page: Page): readonly Item[] {
  const sorted = items.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  const { after } = page;
  return sorted.filter((item) => after === undefined || keyOf(item) > after).slice(0, page.limit);
}

/** Accounts in memory, with the real permission decisions: for tests of what is built on accounts. */
export class FakeAccounts implements Accounts {
  readonly #users = new Map<string, StoredUser>();
  readonly #repositories = new Map<string, StoredRepository>();
  /** Secret to login. */
  readonly #sessions = new Map<string, string>();

  readonly placements: Accounts['placements'] = {
    find: async () => unsupported(),
    movePrimary: async () => unsupported(),
    setReplicas: async () => unsupported(),
    onVolume: async () => unsupported(),
  };

  readonly users: Accounts['users'] = {
    create: async ({ login, email, password, isAdmin }) => {
      if (!/^[a-z][a-z0-9-]*$/.test(login)) {
        throw new PackhorseError('invalid_argument', 'A login consists of lower-case letters and digits.');
      }
      if (this.#users.has(login)) {
        throw new PackhorseError('already_exists', 'There is already a user of that name.');
      }
      const record = { id: randomId(), login, email, isAdmin, createdAt: new Date(1_700_000_000_000) };
      this.#users.set(login, { record, password, tokens: [], keys: [] });
      return record;
    },
    find: async (login) => this.#users.get(login)?.record,
    list: async (page) =>
      pageOf(
        [...this.#users.values()].map(({ record }) => record),
        ({ login }) => login,
        page,
      ),
    setPassword: async (userId, password) => {
      this.#byId(userId).password = password;
    },
  };

  readonly tokens: Accounts['tokens'] = {
    create: async (userId, input) => {
      const record = {
        ...input,
        id: randomId(),
        createdAt: new Date(1_700_000_000_000),
        lastUsedAt: undefined,
      };
      const secret = `phx_${randomBytes(16).toString('hex')}`;
      this.#byId(userId).tokens.push({ secret, record });
      return { token: secret, record };
    },
    list: async (userId) => this.#byId(userId).tokens.map(({ record }) => record),
    revoke: async (userId, tokenId) => {
      const { tokens } = this.#byId(userId);
      const index = tokens.findIndex(({ record }) => record.id === tokenId);
      if (index < 0) throw new PackhorseError('not_found', 'There is no such token.');
      tokens.splice(index, 1);
    },
  };

  readonly keys: Accounts['keys'] = {
    add: async (userId, { title, publicKey }) => {
      const [algorithm, blob, comment] = publicKey.split(' ');
      if (algorithm === undefined || blob === undefined || !algorithm.startsWith('ssh-')) {
        throw new PackhorseError('invalid_argument', 'This is not a public SSH key.');
      }
      const record = {
        id: randomId(),
        title: title ?? comment ?? algorithm,
        algorithm,
        fingerprint: `SHA256:${blob.slice(-8)}`,
        createdAt: new Date(1_700_000_000_000),
      };
      this.#byId(userId).keys.push(record);
      return record;
    },
    list: async (userId) => this.#byId(userId).keys,
    remove: async (userId, keyId) => {
      const { keys } = this.#byId(userId);
      const index = keys.findIndex(({ id }) => id === keyId);
      if (index < 0) throw new PackhorseError('not_found', 'There is no such key.');
      keys.splice(index, 1);
    },
  };

  readonly sessions: Accounts['sessions'] = {
    open: async (userId) => {
      const secret = randomBytes(16).toString('hex');
      this.#sessions.set(secret, this.#byId(userId).record.login);
      return secret;
    },
    close: async (secret) => {
      this.#sessions.delete(secret);
    },
  };

  readonly authenticator: Accounts['authenticator'] = {
    byPassword: async (login, secret) => {
      const user = this.#users.get(login);
      if (user === undefined || user.password !== secret) {
        throw new PackhorseError('unauthenticated', 'Wrong login or password.');
      }
      return this.identity(login, allScopes, 'password');
    },
    byToken: async (token) => {
      for (const { record, tokens } of this.#users.values()) {
        const found = tokens.find(({ secret }) => secret === token);
        if (found !== undefined) return this.identity(record.login, found.record.scopes, 'token');
      }
      throw new PackhorseError('unauthenticated', 'This token is unknown, expired or revoked.');
    },
    byKey: unsupported,
    bySession: async (secret) => {
      const login = this.#sessions.get(secret);
      return login === undefined ? undefined : this.identity(login, allScopes, 'session');
    },
  };

  readonly repositories: Accounts['repositories'] = {
    forget: () => undefined,
    authorise: async (identity, ownerLogin, name, action) => {
      const stored = this.#repositories.get(`${ownerLogin}/${name}`);
      const role = identity.kind === 'user' ? stored?.roles.get(identity.login) : undefined;
      switch (decide(identity, stored?.record, role, action)) {
        case 'allow':
          if (stored !== undefined) return stored.record;
          break;
        case 'authenticate':
          throw new PackhorseError('unauthenticated', 'Sign in to see this repository.');
        case 'deny':
          throw new PackhorseError('permission_denied', 'You may not do this with the repository.');
        case 'hide':
          break;
      }
      throw new PackhorseError('not_found', 'There is no such repository.');
    },
    checkCreate: async (identity, ownerLogin, name) => {
      if (identity.kind === 'anonymous') throw new PackhorseError('unauthenticated', 'Sign in first.');
      if (!this.#users.has(ownerLogin)) throw new PackhorseError('not_found', 'There is no such owner.');
      if (!identity.isAdmin && identity.login !== ownerLogin) {
        throw new PackhorseError('permission_denied', 'You may only create repositories of your own.');
      }
      if (this.#repositories.has(`${ownerLogin}/${name}`)) {
        throw new PackhorseError('already_exists', 'There is already a repository of that name.');
      }
    },
    create: async (identity, input) => {
      await this.repositories.checkCreate(identity, input.ownerLogin, input.name);
      const ownerId = this.#users.get(input.ownerLogin)?.record.id ?? unsupported();
      const placement = completePlacement(input.placement);
      const record = { ...input, placement, ownerId, createdAt: new Date(1_700_000_000_000) };
      this.#repositories.set(`${input.ownerLogin}/${input.name}`, { record, roles: new Map() });
      return record;
    },
    list: async (identity, page) => {
      const visible = [...this.#repositories.values()]
        .filter(({ record, roles }) => {
          const role = identity.kind === 'user' ? roles.get(identity.login) : undefined;
          return decide(identity, record, role, 'read') === 'allow';
        })
        .map(({ record }) => record)
        .filter(({ ownerLogin }) => page.ownerLogin === undefined || ownerLogin === page.ownerLogin);
      return pageOf(visible, ({ ownerLogin, name }) => `${ownerLogin}/${name}`, page);
    },
    update: async (_identity, repositoryId, change) => {
      const [key, stored] = this.#repositoryById(repositoryId);
      stored.record = { ...stored.record, ...change };
      this.#repositories.delete(key);
      this.#repositories.set(`${stored.record.ownerLogin}/${stored.record.name}`, stored);
      return stored.record;
    },
    remove: async (_identity, repositoryId) => {
      this.#repositories.delete(this.#repositoryById(repositoryId)[0]);
    },
    grant: async (_identity, repositoryId, login, role) => {
      if (!this.#users.has(login)) throw new PackhorseError('not_found', 'There is no such user.');
      const { roles } = this.#repositoryById(repositoryId)[1];
      if (role === undefined) roles.delete(login);
      else roles.set(login, role);
    },
    collaborators: async (identity, repositoryId) => {
      const { record, roles } = this.#repositoryById(repositoryId)[1];
      await this.repositories.authorise(identity, record.ownerLogin, record.name, 'admin');
      return [...roles].map(([login, role]) => ({ login, role }));
    },
  };

  /** Who `login` is when they come with these scopes. */
  identity(
    login: string,
    scopes: readonly Scope[] = allScopes,
    via: UserIdentity['via'] = 'token',
  ): UserIdentity {
    const { record } = this.#users.get(login) ?? unsupported();
    const { id, email, isAdmin } = record;
    return { kind: 'user', userId: id, login, email, isAdmin, via, scopes: new Set(scopes) };
  }

  /** As a door would: Basic or Bearer, or nobody. */
  async authenticate(authorization: string | undefined): Promise<Identity> {
    const [scheme, value] = authorization?.split(' ') ?? [];
    if (scheme === 'Bearer') return this.authenticator.byToken(value ?? '');
    if (scheme !== 'Basic') return anonymous;
    const [login, password] = Buffer.from(value ?? '', 'base64')
      .toString()
      .split(':');
    return this.authenticator.byPassword(login ?? '', password ?? '', '127.0.0.1');
  }

  #byId(userId: string): StoredUser {
    return this.#users.values().find(({ record }) => record.id === userId) ?? unsupported();
  }

  #repositoryById(id: string): [string, StoredRepository] {
    return this.#repositories.entries().find(([, { record }]) => record.id === id) ?? unsupported();
  }
}
