import type { Context, MiddlewareHandler } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { anonymous, type Accounts, type Identity } from '#accounts';
import type { Settings } from '#base';
import type { RepositoryView } from './view.ts';

/** What every page knows of its request. */
export interface WebEnvironment {
  readonly Variables: {
    identity: Identity;
    /** The repository that the page is about, once it is open. */
    view?: RepositoryView;
  };
}

export type WebContext = Context<WebEnvironment>;

/**
 * The web's login: an opaque secret in an HttpOnly cookie. `SameSite=Lax` and the origin check of
 * the application keep other sites from acting with it.
 */
export class WebSessions {
  readonly #accounts: Accounts;
  readonly #settings: Settings['accounts'];
  readonly #secure: boolean;

  constructor(
    accounts: Accounts,
    settings: Settings['accounts'],
    options: { readonly secureCookies: boolean },
  ) {
    this.#accounts = accounts;
    this.#settings = settings;
    this.#secure = options.secureCookies;
  }

  /** `__Host-` binds the cookie to this origin, but browsers take it over HTTPS only. */
  get #cookieName(): string {
    return this.#secure ? '__Host-packhorse' : 'packhorse';
  }

  /** Puts the identity of the session, or the anonymous one, into the context. */
  readonly identify: MiddlewareHandler<WebEnvironment> = async (context, next) => {
    const secret = getCookie(context, this.#cookieName);
    const user = secret === undefined ? undefined : await this.#accounts.authenticator.bySession(secret);
    context.set('identity', user ?? anonymous);
    await next();
  };

  /** Opens a session under a secret of its own: whatever the browser brought is no longer one. */
  async signIn(context: WebContext, userId: string): Promise<void> {
    await this.#closeCurrent(context);
    const secret = await this.#accounts.sessions.open(userId);
    setCookie(context, this.#cookieName, secret, {
      path: '/',
      httpOnly: true,
      sameSite: 'Lax',
      secure: this.#secure,
      maxAge: Math.floor(this.#settings.sessionMs / 1000),
    });
  }

  async signOut(context: WebContext): Promise<void> {
    await this.#closeCurrent(context);
    deleteCookie(context, this.#cookieName, { path: '/', secure: this.#secure });
  }

  async #closeCurrent(context: WebContext): Promise<void> {
    const secret = getCookie(context, this.#cookieName);
    if (secret !== undefined) await this.#accounts.sessions.close(secret);
  }
}
