import { html } from 'hono/html';
import { hasCode, type ErrorCode } from '#base';
import { httpStatuses } from '#gateway';
import type { Application } from '../application.ts';
import { page, type Markup } from '../layout.ts';
import { localPath } from '../links.ts';
import type { WebContext } from '../session.ts';

/** When trying again may help: after some failed passwords have been forgotten, or once the rush is over. */
const retryAfterSeconds: Readonly<Partial<Record<ErrorCode, string>>> = {
  resource_exhausted: '60',
  unavailable: '5',
};

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
  const returnTo = localPath(context.req.query('return'));
  if (context.var.identity.kind === 'user') return context.redirect(returnTo, 303);
  return context.html(form(context, returnTo, undefined, ''));
}

export async function signIn(
  context: WebContext,
  application: Application,
  remoteAddress: string,
): Promise<Response> {
  const body = await context.req.parseBody();
  const field = (name: string): string => (typeof body[name] === 'string' ? body[name] : '');
  const returnTo = localPath(field('return'));
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
    const seconds = retryAfterSeconds[thrown.code];
    if (seconds !== undefined) context.header('retry-after', seconds);
    const status = httpStatuses[thrown.code] as 401 | 429 | 503;
    return context.html(form(context, returnTo, thrown.message, field('login')), status);
  }
}

export async function signOut(context: WebContext, application: Application): Promise<Response> {
  await application.sessions.signOut(context);
  return context.redirect('/', 303);
}
