export { noCacheHeaders } from './answers.ts';
export { authenticate } from './credentials.ts';
export { createHttpServer, type Fallback, type HttpServer, type HttpServerOptions } from './server.ts';
export type { Health } from './status.ts';
