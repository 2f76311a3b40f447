import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import type { Settings } from '#base';
import type { Application } from './application.ts';
import { noPage, showProblem } from './pages/problem.ts';
import { Renderer } from './render/renderer.ts';
import { accountRoutes, assetRoutes, repositoryRoutes } from './routes.ts';
import { formGuard, securityHeaders } from './security.ts';
import { WebSessions, type WebEnvironment } from './session.ts';

export interface WebOptions extends Omit<Application, 'renderer' | 'sessions' | 'settings'> {
  readonly settings: Settings;
  /** True when people reach this server over HTTPS only. */
  readonly secureCookies: boolean;
}

export interface Web {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  close(): Promise<void>;
}

function pages(application: Application, maxBodyBytes: number): Hono<WebEnvironment> {
  const app = new Hono<WebEnvironment>({ strict: false });
  assetRoutes(app);
  app.use(
    compress({ contentTypeFilter: /^text\/html/ }),
    securityHeaders,
    formGuard(application),
    bodyLimit({ maxSize: maxBodyBytes }),
    application.sessions.identify,
  );
  app.use(async (context, next) => {
    await next();
    context.header('vary', 'Cookie', { append: true });
    if (!context.res.headers.has('cache-control')) context.header('cache-control', 'private, no-cache');
  });
  accountRoutes(app, application);
  repositoryRoutes(app, application);
  app.notFound((context) => showProblem(context, noPage(), application.log));
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
