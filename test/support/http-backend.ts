import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { cleanEnvironment } from './git.ts';
import { run } from './processes.ts';

/** One HTTP request as it goes over the wire: the target is sent as it is. */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface RawResponse {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<IncomingHttpHeaders>;
  readonly body: Buffer;
}

/** What `git http-backend` answers below `root`, run as a web server runs it (RFC 3875). */
export async function askHttpBackend(
  root: string,
  request: RawRequest,
  environment: Readonly<Record<string, string>> = {},
): Promise<RawResponse> {
  const [path = '', query = ''] = request.target.split('?');
  const headers = new Map(
    Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const fromHeaders = [...headers].map(([name, value]) => [
    `HTTP_${name.toUpperCase().replaceAll('-', '_')}`,
    value,
  ]);
  const result = await run('git', ['http-backend'], {
    env: cleanEnvironment({
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method,
      SERVER_PROTOCOL: 'HTTP/1.1',
      PATH_INFO: decodeURIComponent(path),
      QUERY_STRING: query,
      REMOTE_ADDR: '127.0.0.1',
      CONTENT_TYPE: headers.get('content-type') ?? '',
      CONTENT_LENGTH: request.body === undefined ? '' : String(Buffer.byteLength(request.body)),
      ...Object.fromEntries(fromHeaders),
      ...environment,
    }),
    input: request.body ?? '',
  });
  const end = result.stdout.indexOf('\r\n\r\n');
  const lines = result.stdout.toString('latin1', 0, end).split('\r\n');
  const pairs = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const answered: Record<string, string> = Object.fromEntries(pairs);
  return {
    status: Number.parseInt(answered['status'] ?? '200', 10),
    headers: answered,
    body: request.method === 'HEAD' ? Buffer.alloc(0) : result.stdout.subarray(end + 4),
  };
}

/** The same of a running server. */
export async function askServer(url: string, request: RawRequest): Promise<RawResponse> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<RawResponse>();
  const { method, target: path, headers = {} } = request;
  const asking = httpRequest({ hostname, port, method, path, headers, agent: false }, (response) => {
    buffer(response).then(
      (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      reject,
    );
  });
  asking.on('error', reject);
  asking.end(request.body);
  return await promise;
}
