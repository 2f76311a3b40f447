import { cleanRepositoryPath, type GitService } from '#gateway';
import { decodePath, originForm, refused, type GitTarget } from './git-target.ts';

/** What git http-backend answers below a repository (http-backend.c, `services`), as patterns of the decoded path. */
const files: readonly RegExp[] = [
  /\/HEAD$/,
  /\/info\/refs$/,
  /\/objects\/info\/(?:alternates|http-alternates|packs)$/,
  /\/objects\/[0-9a-f]{2}\/(?:[0-9a-f]{38}|[0-9a-f]{62})$/,
  /\/objects\/pack\/pack-(?:[0-9a-f]{40}|[0-9a-f]{64})\.(?:pack|idx)$/,
];
const call = /\/git-(upload-pack|upload-archive|receive-pack)$/;

/** What can be advertised; upload-archive has nothing to say before it is called. */
const advertised: ReadonlyMap<string, GitService> = new Map([
  ['git-upload-pack', 'upload-pack'],
  ['git-receive-pack', 'receive-pack'],
]);

/**
 * Recognises what `serve --root` answers, as git http-backend does: by the end of the path, below a
 * repository at any depth. undefined for everything else.
 */
export function parseRootTarget(method: string, requestTarget: string): GitTarget | undefined {
  const target = originForm(requestTarget);
  const queryAt = target.indexOf('?');
  const path = decodePath(queryAt < 0 ? target : target.slice(0, queryAt));
  if (path === undefined) return refused(400, 'This is not a valid address.');

  const called = call.exec(path);
  if (called !== null) {
    if (method !== 'POST') return refused(405, 'A Git service is called with POST.', 'POST');
    // The pattern names nothing else.
    const service = called[1] as GitService;
    return below(path.slice(0, called.index), (repository) => ({ kind: 'rpc', path: repository, service }));
  }

  const match = files.map((pattern) => pattern.exec(path)).find((found) => found !== null);
  if (match === undefined) return undefined;
  if (method !== 'GET' && method !== 'HEAD') {
    return refused(405, 'Files of a repository are read with GET.', 'GET, HEAD');
  }
  const name = match[0].slice(1);
  const query = new URLSearchParams(queryAt < 0 ? '' : target.slice(queryAt + 1));
  // The last one counts, as for git.
  const asked = name === 'info/refs' ? query.getAll('service').at(-1) : undefined;
  const repositoryPath = path.slice(0, match.index);
  if (asked === undefined)
    return below(repositoryPath, (repository) => ({ kind: 'file', path: repository, name }));
  const service = advertised.get(asked);
  if (service === undefined) return refused(403, 'This Git service is not served here.');
  return below(repositoryPath, (repository) => ({ kind: 'advertisement', path: repository, service }));
}

function below(repositoryPath: string, make: (path: string) => GitTarget): GitTarget {
  const path = cleanRepositoryPath(repositoryPath);
  return path === undefined ? refused(400, 'This is not a valid repository address.') : make(path);
}
