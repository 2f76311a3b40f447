import { html } from 'hono/html';
import { hasCode } from '#base';
import type { Application } from '../application.ts';
import { page, type Markup } from '../layout.ts';
import type { WebContext } from '../session.ts';

/** Only a path on this site: never another origin, never a protocol-relative address. */
function safeReturn(path: string | undefined): string {
  return path !== undefined && /^\/(?![/\\])/.test(path) ? path : '/';
}

function form(context: WebContext, returnTo: string, problem: string | undefined, login: string): Markup {
  return page({
    title: 'Sign in',
    identity: context.var.identity,
    path: returnTo,
    body: html`<h1>Sign in</h1>
      ${problem === undefined ? '' : html`<p class="notice error" role="alert">${problem}</p>`}
      <form method="post" action="/login" class="stack">
        <input type="hidden" name="return" value="${returnTo}" />
        <div>
          <label for="login">Name</label
          ><input
            id="login"
            name="login"
            value="${login}"
            autocomplete="username"
            autocapitalize="none"
            required
            autofocus
          />
        </div>
        <div>
          <label for="password">Password</label
          ><input id="password" name="password" type="password" autocomplete="current-password" required />
        </div>
        <div><button type="submit">Sign in</button></div>
      </form>`,
  });
}

export async function showSignIn(context: WebContext): Promise<Response> {
  return context.html(form(context, safeReturn(context.req.query('return')), undefined, ''));
}

export async function signIn(
  context: WebContext,
  application: Application,
  remoteAddress: string,
): Promise<Response> {
  const body = await context.req.parseBody();
  const field = (name: string): string => (typeof body[name] === 'string' ? body[name] : '');
  const returnTo = safeReturn(field('return'));
  try {
    const user = await application.accounts.authenticator.byPassword(
      field('login'),
      field('password'),
      remoteAddress,
    );
    if (user.via !== 'password') {
      return context.html(
        form(context, returnTo, 'That is an access token: sign in here with your password.', field('login')),
        401,
      );
    }
    await application.sessions.signIn(context, user.userId);
    return context.redirect(returnTo, 303);
  } catch (thrown) {
    if (!hasCode(thrown, 'unauthenticated', 'resource_exhausted', 'unavailable')) throw thrown;
    return context.html(
      form(context, returnTo, thrown.message, field('login')),
      thrown.code === 'unauthenticated' ? 401 : 429,
    );
  }
}

export async function signOut(context: WebContext, application: Application): Promise<Response> {
  await application.sessions.signOut(context);
  return context.redirect('/', 303);
}
