import type { Browser, BrowserContext, Page } from 'playwright-core';
import { openBrowser } from '#test/browser';
import { httpUrl } from '#test/doors';
import { git } from '#test/git';
import { Packhorse, type Person } from '#test/packhorse';

/** A server, a browser, and two people: ada, who has repositories, and eve, who does not know her. */
export class WebScene implements AsyncDisposable {
  readonly server: Packhorse;
  readonly browser: Browser;
  readonly ada: Person;
  readonly eve: Person;
  /** Without JavaScript, signed in as nobody. */
  readonly visitor: BrowserContext;

  private constructor(
    server: Packhorse,
    browser: Browser,
    people: { readonly ada: Person; readonly eve: Person },
    visitor: BrowserContext,
  ) {
    this.server = server;
    this.browser = browser;
    this.ada = people.ada;
    this.eve = people.eve;
    this.visitor = visitor;
  }

  static async open(): Promise<WebScene> {
    const [server, browser] = await Promise.all([Packhorse.start(), openBrowser()]);
    const people = { ada: await server.createPerson('ada'), eve: await server.createPerson('eve') };
    return new WebScene(server, browser, people, await browser.newContext({ javaScriptEnabled: false }));
  }

  async page(path: string, context = this.visitor): Promise<Page> {
    const page = await context.newPage();
    await page.goto(`${this.server.httpUrl}${path}`);
    return page;
  }

  async signedIn(person: Person, options: { readonly scripts?: boolean } = {}): Promise<BrowserContext> {
    const context = await this.browser.newContext({ javaScriptEnabled: options.scripts === true });
    const page = await this.page('/login', context);
    await page.getByLabel('Name').fill(person.login);
    await page.getByLabel('Password').fill(person.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('link', { name: person.login, exact: true }).waitFor();
    await page.close();
    return context;
  }

  /** Creates a repository of ada's and pushes refs into it. */
  async publish(
    name: string,
    workTree: string,
    refs: readonly string[],
    options: { readonly private?: boolean } = {},
  ): Promise<void> {
    await this.server.createRepository(name, options);
    const url = httpUrl(this.server, this.ada.login, this.ada.token, name);
    await git(['push', '--quiet', url, ...refs], { cwd: workTree });
  }

  /** Status, headers and body, without following redirects. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.server.httpUrl}${path}`, { redirect: 'manual', ...init });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.server[Symbol.asyncDispose]();
  }
}
