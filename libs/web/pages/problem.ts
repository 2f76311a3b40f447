import { html } from 'hono/html';
import { HTTPException } from 'hono/http-exception';
import { PackhorseError, toPackhorseError, type ErrorCode, type Log } from '#base';
import { page } from '../layout.ts';
import type { WebContext } from '../session.ts';

const statuses = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  aborted: 409,
  failed_precondition: 409,
  resource_exhausted: 429,
  cancelled: 499,
  unavailable: 503,
  deadline_exceeded: 504,
  data_loss: 500,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

const titles: Readonly<Partial<Record<ErrorCode, string>>> = {
  not_found: 'Not found',
  permission_denied: 'Not allowed',
  unavailable: 'Busy',
  resource_exhausted: 'Too much',
  invalid_argument: 'That does not work',
};

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

/** Maps an error to this door: a page that says what happened; an anonymous visitor may sign in instead. */
export function showProblem(context: WebContext, thrown: unknown, log: Log): Response | Promise<Response> {
  const error = toPackhorseError(thrown instanceof HTTPException ? fromFramework(thrown) : thrown);
  const status = statuses[error.code];
  if (status >= 500) log.error('a page failed', { error, path: context.req.path });
  const identity = context.var.identity ?? { kind: 'anonymous' };
  if (error.code === 'unauthenticated' && context.req.method === 'GET') {
    return context.redirect(`/login?return=${encodeURIComponent(context.req.path)}`, 303);
  }
  const content = page({
    title: titles[error.code] ?? 'Something went wrong',
    identity,
    path: context.req.path,
    body: html`<h1>${titles[error.code] ?? 'Something went wrong'}</h1>
      <p>${error.message}</p>
      <p><a href="/">All repositories</a></p>`,
  });
  if (error.code === 'unavailable') context.header('retry-after', '5');
  return context.html(content, status as 400);
}
