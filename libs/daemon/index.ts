export { createDaemonServer, type DaemonServer, type DaemonServerOptions } from './server.ts';
