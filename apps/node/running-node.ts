/** A node whose doors are open. */
export interface RunningNode {
  readonly httpUrl: string;
  /** undefined when the SSH door is closed. */
  readonly sshUrl: string | undefined;
  /** Lets running sessions finish, bounded, and then closes everything. */
  drain(): Promise<void>;
}

/** `host:port` as it goes into a URL; addresses that mean "everywhere" are named as loopback. */
export function authority(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}
