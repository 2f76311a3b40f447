import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { csrf } from 'hono/csrf';
import { secureHeaders } from 'hono/secure-headers';
import { PackhorseError, type Settings } from '#base';
import type { Application } from './application.ts';
import { stylesheetPath, stylesheetResponse } from './assets.ts';
import { sendRaw, showBlob } from './pages/blob.ts';
import { showCommit } from './pages/commit.ts';
import { showHistory } from './pages/history.ts';
import { createRepository, showNewRepository } from './pages/new-repository.ts';
import { showProblem } from './pages/problem.ts';
import { showRefs } from './pages/refs.ts';
import { showOwner, showRepositories } from './pages/repositories.ts';
import { changeRepository, repositoryChanges, showRepositorySettings } from './pages/repository-settings.ts';
import { changeSettings, settingsChanges, showSettings } from './pages/settings.ts';
import { showSignIn, signIn, signOut } from './pages/sign-in.ts';
import { showRepository, showTree } from './pages/tree.ts';
import { Renderer } from './render/renderer.ts';
import { WebSessions, type WebContext, type WebEnvironment } from './session.ts';
import { RepositoryView } from './view.ts';

export interface WebOptions extends Omit<Application, 'renderer' | 'sessions' | 'settings'> {
  readonly settings: Settings;
  /** True when people reach this server over HTTPS only. */
  readonly secureCookies: boolean;
}

export interface Web {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  close(): Promise<void>;
}

type Binding = { readonly incoming?: IncomingMessage };

function remoteAddress(context: WebContext): string {
  return (context.env as Binding).incoming?.socket.remoteAddress ?? 'unknown';
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

/** Parts of pages that come from repositories can neither run nor load anything but images. */
const headers = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:', 'https:'],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    baseUri: ["'none'"],
  },
  referrerPolicy: 'same-origin',
  strictTransportSecurity: false,
});

function pages(application: Application, maxBodyBytes: number): Hono<WebEnvironment> {
  const app = new Hono<WebEnvironment>({ strict: false });
  app.get(stylesheetPath, () => stylesheetResponse());
  app.use(csrf(), bodyLimit({ maxSize: maxBodyBytes }), application.sessions.identify);
  // Raw files bring a stricter policy of their own.
  app.use(async (context, next) =>
    context.req.path.split('/')[3] === 'raw' ? next() : headers(context, next),
  );
  app.use(async (context, next) => {
    await next();
    if (!context.res.headers.has('cache-control')) context.header('cache-control', 'private, no-cache');
  });

  const view = (context: WebContext): Promise<RepositoryView> => RepositoryView.of(context, application);
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
  app.get('/:owner/:name', async (context) => showRepository(await view(context)));
  app.get('/:owner/:name/refs', async (context) => showRefs(await view(context)));
  app.get('/:owner/:name/settings', async (context) => showRepositorySettings(await view(context)));
  app.post('/:owner/:name/settings', async (context) =>
    changeRepository(await view(context), repositoryChanges.save),
  );
  app.post('/:owner/:name/settings/people', async (context) =>
    changeRepository(await view(context), repositoryChanges.grant),
  );
  app.post('/:owner/:name/settings/delete', async (context) =>
    changeRepository(await view(context), repositoryChanges.remove),
  );
  app.get('/:owner/:name/tree/*', async (context) => showTree(await view(context), rest(context)));
  app.get('/:owner/:name/blob/*', async (context) => showBlob(await view(context), rest(context)));
  app.get('/:owner/:name/raw/*', async (context) => sendRaw(await view(context), rest(context)));
  app.get('/:owner/:name/history/*', async (context) => showHistory(await view(context), rest(context)));
  app.get('/:owner/:name/commit/:revision', async (context) =>
    showCommit(await view(context), context.req.param('revision')),
  );

  app.notFound((context) =>
    showProblem(context, new PackhorseError('not_found', 'There is no page here.'), application.log),
  );
  app.onError((thrown, context) => showProblem(context, thrown, application.log));
  return app;
}

/** The web door: server-rendered pages that need no JavaScript (Hono: small, typed, maintained, works on plain node:http). */
export function createWeb(options: WebOptions): Web {
  const { settings } = options;
  const sessions = new WebSessions(options.accounts, settings.accounts, options);
  const renderer = new Renderer(settings.web, options.log);
  const app = pages(
    { ...options, settings: settings.web, sessions, renderer },
    settings.http.maxJsonBodyBytes,
  );
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return {
    handle: async (request, response) => {
      await listener(request, response);
    },
    close: () => renderer.close(),
  };
}
