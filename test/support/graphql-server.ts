import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readSettings, silentLog, type Log, type Settings } from '#base';
import type { Membership } from '#cluster';
import { clusterView, SingleNode } from '#cluster/alone';
import { createGraphql, type Observation } from '#graphql';
import { FakeAccounts } from './fake-accounts.ts';
import { fakeObservation } from './fake-observation.ts';
import { FakeRepositories } from './fake-repositories.ts';

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions: { readonly code: string };
  }[];
}

interface AskOptions {
  readonly token?: string;
  readonly variables?: object;
}

/** The real GraphQL door on a free port, over accounts and repositories in memory. */
export interface GraphqlServer extends AsyncDisposable {
  readonly url: string;
  readonly accounts: FakeAccounts;
  readonly repositories: FakeRepositories;
  /** A token of `login` with these scopes (all without any). */
  token(login: string, ...scopes: Parameters<FakeAccounts['identity']>[1] & object): Promise<string>;
  ask(query: string, options?: AskOptions): Promise<Answer<Record<string, unknown>>>;
  /** Like `ask`, but fails when there is an error. */
  data<Data>(query: string, options?: AskOptions): Promise<Data>;
  drain(): Promise<void>;
}

function fakeMembership(): Membership {
  return new SingleNode({
    name: 'node-1',
    instanceId: 'first',
    region: 'local',
    address: undefined,
    version: '0.0.0',
    volumes: [{ id: 'disk', sizeBytes: 2_000_000_000, freeBytes: 500_000_000 }],
  });
}

/** Users: `root` (administrator), `ada` and `bob`, each with the password `NAME-password`. */
export async function startGraphqlServer(
  options: {
    readonly graphql?: Partial<Settings['graphql']>;
    readonly http?: Partial<Settings['http']>;
    readonly log?: Log;
    readonly observe?: () => Observation;
    readonly membership?: Membership;
  } = {},
): Promise<GraphqlServer> {
  const accounts = new FakeAccounts();
  const repositories = new FakeRepositories(accounts);
  for (const login of ['root', 'ada', 'bob']) {
    await accounts.users.create({
      login,
      email: `${login}@example.org`,
      password: `${login}-password`,
      isAdmin: login === 'root',
    });
  }
  const settings = readSettings();
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const handler = createGraphql({
    accounts,
    repositories,
    settings: {
      graphql: { ...settings.graphql, ...options.graphql },
      http: { ...settings.http, ...options.http },
      node: settings.node,
    },
    log: options.log ?? silentLog,
    nodeInfo: () => ({
      name: 'node-1',
      region: 'local',
      version: '0.0.0',
      httpUrl: url,
      sshUrl: 'ssh://git@127.0.0.1:2222',
    }),
    cluster: clusterView(options.membership ?? fakeMembership()),
    observe: options.observe ?? (() => fakeObservation()),
    authenticate: (request) => accounts.authenticate(request.headers.authorization),
  });
  server.on('request', (request, response) => void handler(request, response));

  async function ask<Data>(query: string, { token, variables }: AskOptions = {}): Promise<Answer<Data>> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as Answer<Data>;
  }

  return {
    url,
    accounts,
    repositories,
    drain: () => handler.drain(),
    async token(login, ...scopes) {
      const user = await accounts.users.find(login);
      const { token } = await accounts.tokens.create(user?.id ?? '', {
        name: 'test',
        scopes: scopes.length > 0 ? scopes : ['repo:read', 'repo:write', 'account', 'admin'],
        expiresAt: undefined,
      });
      return token;
    },
    ask,
    async data<Data>(query: string, options?: AskOptions) {
      const { data, errors } = await ask<Data>(query, options);
      if (errors !== undefined || data === undefined || data === null) {
        throw new Error(`the server answered ${JSON.stringify(errors)} to ${query}`);
      }
      return data;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
