export { loadOrCreateHostKeys, type HostKey } from './host-keys.ts';
export { createSshServer, type SshServer, type SshServerOptions } from './server.ts';
