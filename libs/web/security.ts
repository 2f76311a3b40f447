import type { MiddlewareHandler } from 'hono';
import { csrf } from 'hono/csrf';
import { secureHeaders } from 'hono/secure-headers';
import type { Application } from './application.ts';
import type { WebEnvironment } from './session.ts';

/** Parts of pages that come from repositories can neither run nor load anything but images. */
const pageHeaders = secureHeaders({
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

/** Headers of every page; raw files bring a stricter policy of their own. */
export const securityHeaders: MiddlewareHandler<WebEnvironment> = async (context, next) =>
  context.req.path.split('/')[3] === 'raw' ? next() : pageHeaders(context, next);

/** Forms come from our own pages only: under the address of the request, or the one that this server is known by. */
export function formGuard(application: Application): MiddlewareHandler<WebEnvironment> {
  return csrf({
    origin: (origin, context) =>
      origin === new URL(context.req.url).origin ||
      origin === URL.parse(application.addresses().http)?.origin,
  });
}
