import { html } from 'hono/html';
import { HTTPException } from 'hono/http-exception';
import { PackhorseError, toPackhorseError, type ErrorCode, type Log } from '#base';
import { httpStatuses } from '#gateway';
import { page, type Markup } from '../layout.ts';
import { signInLink } from '../links.ts';
import type { WebContext } from '../session.ts';

const titles: Readonly<Partial<Record<ErrorCode, string>>> = {
  not_found: 'Not found',
  permission_denied: 'Not allowed',
  unavailable: 'Busy',
  resource_exhausted: 'Too much',
  invalid_argument: 'That does not work',
};

export function noPage(): PackhorseError {
  return new PackhorseError('not_found', 'There is no page here.');
}

/** What the router's own guards refuse: a form of another site, or a body that is too large. */
function fromFramework(exception: HTTPException): PackhorseError {
  if (exception.status === 403) {
    return new PackhorseError(
      'permission_denied',
      'This form was sent from another site, so it was not acted on.',
      { cause: exception },
    );
  }
  if (exception.status === 413) {
    return new PackhorseError('resource_exhausted', 'This form is larger than the server accepts.', {
      cause: exception,
    });
  }
  return new PackhorseError(
    exception.status < 500 ? 'invalid_argument' : 'internal',
    'The server could not answer this request.',
    { cause: exception },
  );
}

/** What happened, inside the repository where it is about one, so that its other pages stay one step away. */
function body(context: WebContext, title: string, message: string): Markup {
  const { view } = context.var;
  const explanation = html`<p>${message}</p>`;
  if (view !== undefined) {
    return view.framed({
      tab: undefined,
      content: html`<h2>${title}</h2>
        ${explanation}`,
    });
  }
  return html`<h1>${title}</h1>
    ${explanation}
    <p><a href="/">All repositories</a></p>`;
}

/** Maps an error to this door: a page that says what happened; an anonymous visitor may sign in instead. */
export function showProblem(context: WebContext, thrown: unknown, log: Log): Response | Promise<Response> {
  const error = toPackhorseError(thrown instanceof HTTPException ? fromFramework(thrown) : thrown);
  const status = httpStatuses[error.code];
  if (status >= 500) log.error('a page failed', { error, path: context.req.path });
  const identity = context.var.identity ?? { kind: 'anonymous' };
  if (error.code === 'unauthenticated' && ['GET', 'HEAD'].includes(context.req.method)) {
    const { pathname, search } = new URL(context.req.url);
    return context.redirect(signInLink(pathname + search), 303);
  }
  const title = titles[error.code] ?? 'Something went wrong';
  const content = page({
    title,
    identity,
    path: context.req.path,
    body: body(context, title, error.message),
  });
  if (error.code === 'unavailable') context.header('retry-after', '5');
  return context.html(content, status as 400);
}
