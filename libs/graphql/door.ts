import type { IncomingMessage, ServerResponse } from 'node:http';
import { createYoga, useExecutionCancellation, type Plugin } from 'graphql-yoga';
import type { Accounts, Identity } from '#accounts';
import { clientAddress, toPackhorseError, type Log, type Settings } from '#base';
import type { ClusterView } from '#cluster';
import { httpStatuses, type RepositoryGateway } from '#gateway';
import type { Context, NodeInfo, Observation } from './context.ts';
import { presentError } from './errors.ts';
import { Jobs } from './jobs.ts';
import { useLimits } from './limits.ts';
import { schema } from './schema.ts';

export interface GraphqlDependencies {
  readonly accounts: Accounts;
  readonly repositories: RepositoryGateway;
  readonly settings: Pick<Settings, 'graphql' | 'http' | 'node'>;
  readonly log: Log;
  /** A function, because ports are known only once the doors are open. */
  readonly nodeInfo: () => NodeInfo;
  /** What the node is doing; asked only for administrators. */
  readonly observe: () => Observation;
  /** The nodes as this one knows them. */
  readonly cluster: ClusterView;
  /** Who asks, from the Authorization header only. Throws `unauthenticated` for a wrong one. */
  readonly authenticate: (request: IncomingMessage) => Promise<Identity>;
}

type Caller = Pick<Context, 'identity' | 'remoteAddress' | 'region'>;

/** Answers requests for `/graphql`; never rejects. */
export interface GraphqlHandler {
  (request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Starts no further imports and verifications, and resolves when those that run have ended; bounded. */
  drain(): Promise<void>;
}

/**
 * The GraphQL door (GraphQL over HTTP): POST with a JSON body, one operation at a time. Only JSON
 * and only the Authorization header, so that no other site's page can act for a visitor.
 */
export function createGraphql(dependencies: GraphqlDependencies): GraphqlHandler {
  const { accounts, repositories, settings, nodeInfo, observe, cluster, authenticate } = dependencies;
  const log = dependencies.log.child({ door: 'graphql' });
  const jobs = new Jobs(settings.graphql, log);
  const yoga = createYoga<Caller, Context>({
    schema,
    context: ({ identity, remoteAddress, region }) => ({
      identity,
      remoteAddress,
      region,
      accounts,
      repositories,
      jobs,
      limits: settings.graphql,
      node: nodeInfo,
      observe,
      cluster,
      log,
    }),
    plugins: [useLimits(settings.graphql), useExecutionCancellation(), useOwnErrors(log)],
    maskedErrors: { maskError: (error) => presentError(error, log) },
    maxRequestBodySize: settings.http.maxJsonBodyBytes,
    // GraphiQL as it comes loads its scripts from elsewhere.
    graphiql: false,
    landingPage: false,
    multipart: false,
    batching: false,
    cors: false,
    logging: false,
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    const refusal = refusalOf(request, settings.http.maxJsonBodyBytes);
    if (refusal !== undefined) return refuse(response, refusal);
    try {
      const identity = await authenticate(request);
      // Media types have no case (RFC 9110, section 8.3.1), but the library compares bytes.
      request.headers['content-type'] = 'application/json';
      // Fly.io's proxy sets it to the region of the edge that the client reached.
      const region = request.headers['fly-region'];
      await yoga(request, response, {
        identity,
        remoteAddress: clientAddress(request),
        region: typeof region === 'string' && region !== '' ? region : undefined,
      });
    } catch (thrown) {
      const error = toPackhorseError(thrown);
      const { message, extensions } = presentError(error, log);
      if (error.code === 'unauthenticated') {
        response.setHeader('WWW-Authenticate', ['Bearer realm="Packhorse"', 'Basic realm="Packhorse"']);
      }
      refuse(response, { status: httpStatuses[error.code], code: String(extensions['code']), message });
    }
  }

  return Object.assign(handle, { drain: () => jobs.drain(settings.node.drainTimeoutMs) });
}

/** Errors that the library answers without asking `maskError`: of syntax, validation and the body. */
function useOwnErrors(log: Log): Plugin {
  return {
    onResultProcess(payload) {
      const { result } = payload;
      if (!('errors' in result) || result.errors === undefined) return;
      payload.setResult({ ...result, errors: result.errors.map((error) => presentError(error, log)) });
    },
  };
}

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** Why a request is answered without reading its body. */
function refusalOf(request: IncomingMessage, maxBodyBytes: number): Refusal | undefined {
  const code = 'invalid_argument';
  if (request.method !== 'POST') {
    return { status: 405, code, message: 'This is the GraphQL API: POST a JSON body {"query": ...} here.' };
  }
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json' || request.headers['content-encoding'] !== undefined) {
    return { status: 415, code, message: 'The body must be plain JSON: "Content-Type: application/json".' };
  }
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) {
    return {
      status: 413,
      code: 'resource_exhausted',
      message: `The body is larger than the ${maxBodyBytes} bytes that are accepted.`,
    };
  }
  return undefined;
}

function refuse(response: ServerResponse, { status, code, message }: Refusal): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (status === 405) response.setHeader('Allow', 'POST');
  // The body was not read, so the connection cannot carry another request.
  response.setHeader('Connection', 'close');
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify({ errors: [{ message, extensions: { code } }] })}\n`);
}
