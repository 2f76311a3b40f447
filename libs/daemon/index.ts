export { createDaemonServer, type DaemonServer, type DaemonServerOptions } from './server.ts';
export { InterpolatedPath } from './interpolated-path.ts';
