import { html } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';
import type { Identity } from '#accounts';
import { iconPath, stylesheetPath } from './assets.ts';
import { ownerLink, signInLink } from './links.ts';

/** A piece of a page; `html` escapes every value that is put into it. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>;

export interface PageOptions {
  readonly title: string;
  readonly identity: Identity;
  /** Path to come back to after signing in. */
  readonly path: string;
  readonly body: Markup;
}

function accountLinks(identity: Identity, path: string): Markup {
  if (identity.kind === 'anonymous') {
    return html`<a href="${signInLink(path)}" rel="nofollow">Sign in</a>`;
  }
  return html`<a href="${ownerLink(identity.login)}">${identity.login}</a>
    <a href="/settings">Settings</a>
    <form method="post" action="/logout"><button type="submit" class="link">Sign out</button></form>`;
}

/** The frame of every page. */
export function page(options: PageOptions): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${options.title} · Packhorse</title>
        <link rel="stylesheet" href="${stylesheetPath}" />
        <link rel="icon" href="${iconPath}" type="image/svg+xml" />
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="site">
          <nav aria-label="Site">
            <a href="/" class="brand">Packhorse</a>
            <span class="account">${accountLinks(options.identity, options.path)}</span>
          </nav>
        </header>
        <main id="main" tabindex="-1">${options.body}</main>
      </body>
    </html>`;
}
