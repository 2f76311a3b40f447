import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PackhorseError } from '#base';
import type { LocalAgent } from '#git';
import type { GitRequest, GitService } from './gateway.ts';

export interface RootAccessOptions {
  /** Everyone may push over HTTP and git://, unless the repository's own configuration says otherwise. */
  readonly anonymousPush: boolean;
  /** git:// serves every repository, not only those with a `git-daemon-export-ok` file. */
  readonly exportAll: boolean;
}

/** The keys that switch a service on or off, as git's own servers read them (git-http-backend(1), git-daemon(1)). */
const keys: Readonly<Record<'http' | 'git', Readonly<Record<GitService, string>>>> = {
  http: {
    'upload-pack': 'http.uploadpack',
    'receive-pack': 'http.receivepack',
    'upload-archive': 'http.uploadarchive',
  },
  git: {
    'upload-pack': 'daemon.uploadpack',
    'receive-pack': 'daemon.receivepack',
    'upload-archive': 'daemon.uploadarch',
  },
};

const exportMark = 'git-daemon-export-ok';

/**
 * What `serve --root` allows whom. Over SSH, whoever may log in may do everything, as with git-shell;
 * over HTTP, whoever logged in at the web server may do what the repository does not switch off.
 * Throws `permission_denied`; for git:// in the words of git daemon.
 */
export async function authoriseInRoot(
  { transport, service, remoteUser }: Pick<GitRequest, 'transport' | 'service' | 'remoteUser'>,
  agent: LocalAgent,
  gitDir: string,
  options: RootAccessOptions,
): Promise<void> {
  if (transport === 'ssh') return;
  if (transport === 'git' && !options.exportAll && !existsSync(join(gitDir, exportMark))) {
    throw new PackhorseError('permission_denied', 'repository not exported');
  }
  const key = keys[transport][service];
  const isKnown = remoteUser !== undefined;
  const byDefault =
    service === 'upload-pack' || isKnown || (service === 'receive-pack' && options.anonymousPush);
  if (isTrue(await agent.configValue(key)) ?? byDefault) return;
  throw new PackhorseError(
    'permission_denied',
    transport === 'git' ? 'service not enabled' : `${httpRefusals[service]} is switched off (${key}).`,
  );
}

/** Whether single files may be read, as clients of the dumb protocol do. Throws `permission_denied`. */
export async function authoriseFiles(agent: LocalAgent): Promise<void> {
  if (isTrue(await agent.configValue('http.getanyfile')) ?? true) return;
  throw new PackhorseError(
    'permission_denied',
    'Reading single files of this repository is switched off (http.getanyfile).',
  );
}

const httpRefusals: Readonly<Record<GitService, string>> = {
  'upload-pack': 'Fetching from this repository over HTTP',
  'receive-pack': 'Pushing to this repository over HTTP',
  'upload-archive': 'git archive of this repository over HTTP',
};

function isTrue(value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  return !['false', 'no', 'off', '0', ''].includes(value.toLowerCase());
}
