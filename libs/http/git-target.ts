import { cleanRepositoryPath, type GitService } from '#gateway';

/** What a request asks of Git over HTTP (gitprotocol-http), before anything acts on it. */
export type GitTarget =
  | { readonly kind: 'advertisement'; readonly path: string; readonly service: GitService }
  | { readonly kind: 'rpc'; readonly path: string; readonly service: GitService }
  /** A bundle to begin a clone with, by its id. */
  | { readonly kind: 'bundle'; readonly path: string; readonly id: string }
  /** A file for a client of the dumb protocol, such as `objects/info/packs`. */
  | { readonly kind: 'file'; readonly path: string; readonly name: string }
  | {
      readonly kind: 'refused';
      readonly status: 400 | 403 | 405;
      readonly message: string;
      /** The methods that would be answered, with 405. */
      readonly allow?: string;
    };

export const refused = (status: 400 | 403 | 405, message: string, allow?: string): GitTarget => ({
  kind: 'refused',
  status,
  message,
  ...(allow !== undefined && { allow }),
});

const dumbProtocol = refused(
  403,
  'The dumb HTTP protocol is not served here. Please use a Git client that speaks smart HTTP (Git 1.6.6 or newer).',
);
const badPath = refused(400, 'This is not a valid repository address.');

const services: ReadonlyMap<string, GitService> = new Map([
  ['git-upload-pack', 'upload-pack'],
  ['git-receive-pack', 'receive-pack'],
  ['git-upload-archive', 'upload-archive'],
]);

/** What a client of the dumb protocol fetches below a repository (http-backend.c). */
const dumbFile = /\/(?:HEAD|objects\/(?:info\/[^/]+|[0-9a-f]{2}\/[0-9a-f]{38,62}|pack\/[^/]+))$/;

const bundleFile = /^(.*)\/bundles\/([0-9a-f]{64})\.bundle$/;

/**
 * Recognises a Git request by method and request target (RFC 9112, 3.2); undefined when it is none,
 * so that it belongs to another door. A path without `service` or POST is only taken for Git when
 * its repository part cannot be a page: it has two segments.
 */
export function parseGitTarget(method: string, requestTarget: string): GitTarget | undefined {
  const target = originForm(requestTarget);
  const queryAt = target.indexOf('?');
  const rawPath = queryAt < 0 ? target : target.slice(0, queryAt);
  const service = queryAt < 0 ? null : new URLSearchParams(target.slice(queryAt + 1)).get('service');

  const advertised = before(rawPath, '/info/refs');
  if (advertised !== undefined && service !== null) return advertisement(method, advertised, service);
  if (advertised !== undefined) return isRepository(advertised) ? dumbProtocol : undefined;

  for (const [name, rpcService] of services) {
    const rawRepository = before(rawPath, `/${name}`);
    if (rawRepository === undefined) continue;
    if (method === 'POST')
      return withPath(rawRepository, (path) => ({ kind: 'rpc', path, service: rpcService }));
    return isRepository(rawRepository)
      ? refused(405, 'A Git service is called with POST.', 'POST')
      : undefined;
  }

  const bundle = bundleFile.exec(rawPath);
  if (bundle?.[1] !== undefined && bundle[2] !== undefined && isRepository(bundle[1])) {
    const [, rawRepository, id] = bundle;
    if (method !== 'GET' && method !== 'HEAD') return refused(405, 'A bundle is read with GET.', 'GET, HEAD');
    return withPath(rawRepository, (path) => ({ kind: 'bundle', path, id }));
  }

  const dumb = dumbFile.exec(rawPath);
  const isDumb = dumb !== null && rawPath.slice(0, dumb.index).endsWith('.git');
  return isDumb && isRepository(rawPath.slice(0, dumb.index)) ? dumbProtocol : undefined;
}

function advertisement(method: string, rawRepository: string, name: string): GitTarget {
  if (method !== 'GET' && method !== 'HEAD') {
    return refused(405, 'The refs of a repository are asked for with GET.', 'GET, HEAD');
  }
  const service = services.get(name);
  // upload-archive has nothing to advertise: its clients ask upload-pack about the server.
  if (service === undefined || service === 'upload-archive') {
    return refused(403, 'This Git service is not served here.');
  }
  return withPath(rawRepository, (path) => ({ kind: 'advertisement', path, service }));
}

/** An absolute-form target, as proxies send it, without scheme and authority. */
export function originForm(target: string): string {
  const authority = /^https?:\/\/[^/?#]*/i.exec(target);
  return authority === null ? target : target.slice(authority[0].length);
}

function before(path: string, suffix: string): string | undefined {
  return path.endsWith(suffix) ? path.slice(0, -suffix.length) : undefined;
}

function isRepository(rawRepository: string): boolean {
  return rawRepository.split('/').filter((segment) => segment !== '').length === 2;
}

/** Percent-decodes exactly once; refuses what no repository can be called. */
function withPath(rawRepository: string, make: (path: string) => GitTarget): GitTarget {
  const path = cleanRepositoryPath(decodePath(rawRepository) ?? '');
  return path === undefined ? badPath : make(path);
}

/** Percent-decoded, exactly once; undefined when that gives no text. */
export function decodePath(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
