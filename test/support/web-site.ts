import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readSettings, silentLog } from '#base';
import { createWeb } from '#web';
import { FakeAccounts } from './fake-accounts.ts';
import { FakeRepositories, type FakeAgent } from './fake-repositories.ts';

/** The web over repositories and accounts in memory, behind a real HTTP server. */
export class Site implements AsyncDisposable {
  readonly accounts = new FakeAccounts();
  readonly repositories = new FakeRepositories(this.accounts);
  readonly #secureCookies: boolean;
  readonly #web;
  readonly #server;

  constructor(options: { readonly secureCookies?: boolean } = {}) {
    this.#secureCookies = options.secureCookies === true;
    this.#web = createWeb({
      accounts: this.accounts,
      repositories: this.repositories,
      settings: readSettings(),
      log: silentLog,
      addresses: () => ({ http: 'https://git.example.org', ssh: 'ssh://git@git.example.org' }),
      secureCookies: this.#secureCookies,
    });
    this.#server = createServer((request, response) => void this.#web.handle(request, response));
  }

  async open(): Promise<FakeAgent> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    for (const login of ['ada', 'eve']) {
      await this.accounts.users.create({
        login,
        email: `${login}@example.org`,
        password: 'secret',
        isAdmin: false,
      });
    }
    await this.repositories.add('ada', 'secret', { commits: 2, isPrivate: true });
    return this.repositories.add('ada', 'hello', { commits: 40 });
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Response> {
    return fetch(this.origin + path, { method, headers, redirect: 'manual' });
  }

  /** Sends a form as a browser does from our own page. */
  post(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    return fetch(this.origin + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { origin: this.origin, ...headers },
      body: new URLSearchParams(fields),
    });
  }

  /** The whole `Set-Cookie` of a new session. */
  async signIn(login: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const response = await this.post('/login', { login, password: 'secret' }, headers);
    assert.equal(response.status, 303);
    return response.headers.get('set-cookie') ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await this.#web.close();
  }
}

/** A cookie as the browser sends it back. */
export const cookieOf = (setCookie: string): string => setCookie.split(';', 1)[0] ?? '';

/** The id of the newest commit of `ada/hello`. */
export const newestOid = '28'.padStart(40, '0');
