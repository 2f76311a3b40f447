import { PackhorseError } from '#base';
import type { GitService } from '#gateway';

/** What a client of git:// asks for, in its first line (gitprotocol-pack, "Git Transport"). */
export interface DaemonRequest {
  readonly service: GitService;
  /** As the client named it, with the slash in front. */
  readonly path: string;
  /** The server as the client named it, `HOST` or `HOST:PORT`. */
  readonly host: string | undefined;
  /** What `GIT_PROTOCOL` is elsewhere: the extra parameters, separated by colons. */
  readonly gitProtocol: string | undefined;
}

const services: ReadonlyMap<string, GitService> = new Map([
  ['git-upload-pack', 'upload-pack'],
  ['git-receive-pack', 'receive-pack'],
  ['git-upload-archive', 'upload-archive'],
]);

/**
 * Reads `git-upload-pack /PATH\0host=HOST\0\0version=2\0`: a service and a path, then the host, then
 * extra parameters behind a NUL of their own. Throws `invalid_argument` for anything else.
 */
export function parseDaemonRequest(payload: Buffer): DaemonRequest {
  const [line = '', ...extra] = payload.toString().split('\0');
  const [command, path] = splitOnce(line.replace(/\n$/, ''), ' ');
  const service = services.get(command);
  if (service === undefined || path === undefined) throw bad('This is no request for a Git service.');
  const [first = ''] = extra;
  const host = /^host=/i.test(first) ? first.slice('host='.length) : undefined;
  // Old servers choke on what comes behind the host, unless another NUL hides it (daemon.c, parse_host_arg).
  const hidden = host === undefined ? extra : extra.slice(1);
  if (hidden[0] !== undefined && hidden[0] !== '')
    throw bad('The parameters of the request are not in order.');
  const parameters = hidden.filter((parameter) => parameter !== '');
  return {
    service,
    path,
    host: host === '' ? undefined : host,
    gitProtocol: parameters.length === 0 ? undefined : parameters.join(':'),
  };
}

function splitOnce(text: string, separator: string): readonly [before: string, after: string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

const bad = (message: string): PackhorseError => new PackhorseError('invalid_argument', message);
