import type { GitOptions } from './git.ts';
import type { Packhorse, Person } from './packhorse.ts';

/** Where a client goes and as whom: a URL and the environment that makes git use the right credentials. */
export interface Remote {
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
}

/** One way into the server. Suites are written once and run through each. */
export interface Door {
  readonly name: 'http' | 'ssh';
  /** `path` is `OWNER/NAME.git`. */
  remote(packhorse: Packhorse, person: Person, path: string): Promise<Remote>;
}

/** An HTTP URL with login and secret in it. */
export function httpUrl(packhorse: Packhorse, login: string, secret: string, path: string): string {
  const url = new URL(`${packhorse.httpUrl}/${path}`);
  url.username = encodeURIComponent(login);
  url.password = encodeURIComponent(secret);
  return url.href;
}

export function sshUrl(packhorse: Packhorse, path: string): string {
  const { host, port } = packhorse.ssh;
  return `ssh://git@${host}:${port}/${path}`;
}

export const httpDoor: Door = {
  name: 'http',
  remote: async (packhorse, person, path) => ({
    url: httpUrl(packhorse, person.login, person.token, path),
    env: {},
  }),
};

export const sshDoor: Door = {
  name: 'ssh',
  remote: async (packhorse, person, path) => ({
    url: sshUrl(packhorse, path),
    env: (await packhorse.knownHosts()).gitEnvironment(person.key),
  }),
};

export const doors: readonly Door[] = [httpDoor, sshDoor];

/** Options for git that come with a remote. */
export function as(remote: Remote, options: GitOptions = {}): GitOptions {
  return { ...options, env: { ...remote.env, ...options.env } };
}
