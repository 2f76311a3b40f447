import type { IncomingMessage } from 'node:http';
import type { Hono } from 'hono';
import { clientAddress, PackhorseError } from '#base';
import type { Application } from './application.ts';
import { iconPath, iconResponse, robotsResponse, stylesheetPath, stylesheetResponse } from './assets.ts';
import { showBlob } from './pages/blob.ts';
import { showCommit } from './pages/commit.ts';
import { showComparison, showCompareForm } from './pages/compare.ts';
import { showHistory } from './pages/history.ts';
import { createRepository, showNewRepository } from './pages/new-repository.ts';
import { sendRaw } from './pages/raw.ts';
import { showRefs } from './pages/refs.ts';
import { showOwner, showRepositories } from './pages/repositories.ts';
import { changeRepository, repositoryChanges, showRepositorySettings } from './pages/repository-settings.ts';
import { changeSettings, settingsChanges, showSettings } from './pages/settings.ts';
import { showSignIn, signIn, signOut } from './pages/sign-in.ts';
import { showTag } from './pages/tag.ts';
import { showRepository, showTree } from './pages/tree.ts';
import type { WebContext, WebEnvironment } from './session.ts';
import { RepositoryView } from './view.ts';

type App = Hono<WebEnvironment>;

type Binding = { readonly incoming?: IncomingMessage };

function remoteAddress(context: WebContext): string {
  const { incoming } = context.env as Binding;
  return incoming === undefined ? 'unknown' : clientAddress(incoming);
}

/** Everything after `/OWNER/NAME/VIEW/`, decoded once. */
function rest(context: WebContext): string {
  const encoded = new URL(context.req.url).pathname.split('/').slice(4).join('/');
  try {
    return decodeURIComponent(encoded);
  } catch (cause) {
    throw new PackhorseError('invalid_argument', 'This address is not encoded correctly.', { cause });
  }
}

/** What is the same for everybody, and needs no session. */
export function assetRoutes(app: App): void {
  app.get(stylesheetPath, stylesheetResponse);
  app.get(iconPath, iconResponse);
  app.get('/favicon.ico', (context) => context.redirect(iconPath, 302));
  app.get('/robots.txt', robotsResponse);
}

/** Repositories as lists, and what belongs to the visitor. */
export function accountRoutes(app: App, application: Application): void {
  app.get('/', (context) => showRepositories(context, application));
  app.get('/login', (context) => showSignIn(context));
  app.post('/login', (context) => signIn(context, application, remoteAddress(context)));
  app.post('/logout', (context) => signOut(context, application));
  app.get('/new', (context) => showNewRepository(context));
  app.post('/new', (context) => createRepository(context, application));
  app.get('/settings', (context) => showSettings(context, application));
  for (const [path, change] of Object.entries(settingsChanges)) {
    app.post(`/settings/${path}`, (context) =>
      changeSettings(context, application, change, remoteAddress(context)),
    );
  }
  app.get('/:owner', (context) => showOwner(context, application, context.req.param('owner')));
}

type RepositoryPage = (view: RepositoryView, rest: string) => Response | Promise<Response>;

/** Pages about one repository, which is opened for them. */
export function repositoryRoutes(app: App, application: Application): void {
  const page =
    (show: RepositoryPage) =>
    async (context: WebContext): Promise<Response> =>
      show(await RepositoryView.of(context, application), rest(context));

  // Whoever pastes the address that they clone from.
  app.get('/:owner/:name{.+\\.git}', (context) => {
    const { pathname, search } = new URL(context.req.url);
    return context.redirect(`${pathname.replace(/\.git\/?$/, '')}${search}`, 301);
  });
  app.get('/:owner/:name', page(showRepository));
  app.get('/:owner/:name/refs', page(showRefs));
  app.get('/:owner/:name/settings', page(showRepositorySettings));
  app.post(
    '/:owner/:name/settings',
    page((view) => changeRepository(view, repositoryChanges.save)),
  );
  app.post(
    '/:owner/:name/settings/people',
    page((view) => changeRepository(view, repositoryChanges.grant)),
  );
  app.post(
    '/:owner/:name/settings/delete',
    page((view) => changeRepository(view, repositoryChanges.remove)),
  );
  app.get('/:owner/:name/tree/*', page(showTree));
  app.get('/:owner/:name/blob/*', page(showBlob));
  app.get('/:owner/:name/raw/*', page(sendRaw));
  app.get('/:owner/:name/history/*', page(showHistory));
  app.get('/:owner/:name/commit/*', page(showCommit));
  app.get('/:owner/:name/tag/*', page(showTag));
  app.get('/:owner/:name/compare', page(showCompareForm));
  app.get('/:owner/:name/compare/*', page(showComparison));
}
