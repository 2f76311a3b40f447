import type { Authenticator } from '#accounts';
import type { ByteStream, Settings, TrustedProxies } from '#base';
import type { GitGateway, GitService, GitSession } from '#gateway';
import { parseGitProtocol, type Conversation } from '#wire';
import { sendError, sendText } from './answers.ts';
import { canDecode, RequestBody } from './body.ts';
import { authenticate } from './credentials.ts';
import type { Exchange } from './exchange.ts';
import { sendFile } from './file-door.ts';
import { GitResponse } from './git-response.ts';
import type { GitTarget } from './git-target.ts';

export interface GitDoorOptions {
  readonly git: GitGateway;
  /** undefined without accounts: everyone is anonymous. */
  readonly authenticator: Authenticator | undefined;
  readonly settings: Settings['http'];
  /** Whose word about who logged in counts; absent: nobody's. */
  readonly proxies?: TrustedProxies;
}

type SessionTarget = Exclude<GitTarget, { kind: 'file' }>;
type ServedTarget = Exclude<SessionTarget, { kind: 'refused' }>;

/** Answers one Git request (gitprotocol-http); never rejects. */
export async function serveGit(
  exchange: Exchange,
  target: SessionTarget,
  options: GitDoorOptions,
): Promise<void> {
  const { lingerTimeoutMs } = options.settings;
  try {
    const refusal = target.kind === 'refused' ? target : mediaRefusal(exchange, target);
    if (refusal !== undefined) {
      const headers = refusal.allow === undefined ? {} : { Allow: refusal.allow };
      await sendText(
        exchange,
        { status: refusal.status, message: refusal.message, headers },
        lingerTimeoutMs,
      );
    } else if (target.kind !== 'refused') {
      await runSession(exchange, target, options);
      if (target.kind !== 'bundle') await exchange.end(lingerTimeoutMs);
    }
  } catch (thrown) {
    await sendError(exchange, thrown, lingerTimeoutMs).catch(() => exchange.response.destroy());
  }
}

async function runSession(exchange: Exchange, target: ServedTarget, options: GitDoorOptions): Promise<void> {
  const { request, remoteAddress } = exchange;
  const identity = await authenticate(options.authenticator, request.headers.authorization, remoteAddress);
  if (identity.kind === 'user') exchange.login = identity.login;
  const remoteUser = options.authenticator === undefined ? options.proxies?.userOf(request) : undefined;
  exchange.login ??= remoteUser;
  const { path } = target;
  const service = target.kind === 'bundle' ? 'upload-pack' : target.service;
  await using session = await options.git.open({
    identity,
    path,
    service,
    transport: 'http',
    remoteAddress,
    ...(remoteUser !== undefined && { remoteUser }),
  });
  exchange.continue();
  if (target.kind === 'bundle') {
    await using file = await session.openBundle(target.id);
    await sendFile(exchange, 'a.bundle', file, options.settings.lingerTimeoutMs);
  } else if (target.kind === 'rpc') await serve(exchange, service, session);
  else await advertise(exchange, service, session);
}

async function advertise(exchange: Exchange, service: GitService, session: GitSession): Promise<void> {
  const { request } = exchange;
  const version = versionOf(exchange, service);
  // Protocol v2 dispenses with the line that names the service (gitprotocol-http, "Smart Clients").
  const preamble = version === 2 ? [] : [serviceLine(service)];
  using output = new GitResponse(exchange, `application/x-git-${service}-advertisement`, preamble);
  if (request.method !== 'HEAD') {
    await session.advertise(conversation(exchange, { input: nothing, output, version }));
  }
  output.finish();
}

async function serve(exchange: Exchange, service: GitService, session: GitSession): Promise<void> {
  using output = new GitResponse(exchange, `application/x-git-${service}-result`);
  const version = versionOf(exchange, service);
  await using body = new RequestBody(exchange.request, exchange.signal);
  await session.serve(conversation(exchange, { input: body.chunks, output, version }));
  if (body.isWhole) exchange.bodyWasRead();
  output.finish();
}

function conversation(
  exchange: Exchange,
  parts: Pick<Conversation, 'input' | 'output' | 'version'>,
): Conversation {
  return {
    ...parts,
    stateless: true,
    get signal() {
      return exchange.signal;
    },
  };
}

function versionOf({ request }: Exchange, service: GitService): Conversation['version'] {
  const asked = parseGitProtocol(request.headers['git-protocol']?.toString());
  // There is no push over protocol v2: such a request is answered as v0, as git does.
  return service === 'receive-pack' && asked === 2 ? 0 : asked;
}

function serviceLine(service: GitService): Buffer {
  const line = `# service=git-${service}\n`;
  return Buffer.from(`${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`);
}

const nothing: ByteStream = {
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }),
};

/** Why the body of this request cannot be read, if so (RFC 9110, 15.5.16). */
function mediaRefusal(
  { request }: Exchange,
  target: ServedTarget,
): { readonly status: 415; readonly message: string; readonly allow?: never } | undefined {
  if (target.kind !== 'rpc') return undefined;
  const expected = `application/x-git-${target.service}-request`;
  const mediaType = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType !== expected) {
    const received = request.headers['content-type'] ?? '';
    // The words of http-backend.c, check_content_type.
    const message = `Expected POST with Content-Type '${expected}', but received '${received}' instead.`;
    return { status: 415, message };
  }
  if (canDecode(request.headers['content-encoding'])) return undefined;
  return { status: 415, message: 'The content encoding must be gzip, deflate or identity.' };
}
