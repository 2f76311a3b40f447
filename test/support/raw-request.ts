import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Remote } from './doors.ts';
import { cleanEnvironment } from './git.ts';
import { startProcess } from './processes.ts';

export type Body = Uint8Array | AsyncIterable<Uint8Array>;

export interface RawRequest {
  readonly service: 'git-upload-pack' | 'git-receive-pack';
  readonly version: 0 | 2;
  readonly body: Body;
  /** Of the HTTP request; ignored over SSH. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Sends bytes that no git would send, through either door, and returns everything that came back
 * (over SSH also the advertisement). A body may be endless: sending ends with the answer.
 */
export function rawRequest(remote: Remote, wanted: RawRequest): Promise<string> {
  return remote.url.startsWith('http') ? overHttp(remote, wanted) : overSsh(remote, wanted);
}

/** The header for the name and secret in an address; none where there are none. */
export function basicAuthorization(url: URL): Record<string, string> {
  if (url.username === '') return {};
  const secret = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return { authorization: `Basic ${Buffer.from(secret).toString('base64')}` };
}

function stream(body: Body): Readable {
  return body instanceof Uint8Array ? Readable.from([body]) : Readable.from(body, { objectMode: false });
}

async function overHttp(remote: Remote, { service, version, body, headers }: RawRequest): Promise<string> {
  const url = new URL(`${remote.url}/${service}`);
  const sent = request({
    hostname: url.hostname,
    port: url.port,
    path: url.pathname,
    method: 'POST',
    agent: false,
    headers: {
      ...basicAuthorization(url),
      'content-type': `application/x-${service}-request`,
      ...(version === 2 && { 'git-protocol': 'version=2' }),
      ...headers,
    },
  });
  // The server may hang up on a body that goes on after its answer.
  const sending = pipeline(stream(body), sent).catch(() => undefined);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) parts.push(chunk);
  } catch (error) {
    // The server closes the connection of a client that does not stop sending.
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  } finally {
    sent.destroy();
    await sending;
  }
  return `${response.statusCode}\n${Buffer.concat(parts).toString('latin1')}`;
}

async function overSsh(remote: Remote, { service, version, body }: RawRequest): Promise<string> {
  const url = new URL(remote.url);
  const [command = 'ssh', ...args] = (remote.env['GIT_SSH_COMMAND'] ?? 'ssh').split(' ');
  const target = ['-o', 'SendEnv=GIT_PROTOCOL', '-p', url.port, `${url.username}@${url.hostname}`];
  await using ssh = startProcess(command, [...args, ...target, `${service} '${url.pathname}'`], {
    env: cleanEnvironment(version === 2 ? { GIT_PROTOCOL: 'version=2' } : {}),
    binary: true,
  });
  const { stdin, stdout } = ssh.child;
  if (stdin === null || stdout === null) throw new Error('ssh has no standard streams');
  const sending = pipeline(stream(body), stdin).catch(() => undefined);
  const parts: Buffer[] = [];
  for await (const chunk of stdout as AsyncIterable<Buffer>) parts.push(chunk);
  await ssh.exited;
  stdin.destroy();
  await sending;
  return Buffer.concat(parts).toString('latin1') + ssh.stderr;
}
