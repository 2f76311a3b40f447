import { connect } from 'node:net';
import type { Remote } from './doors.ts';
import { run } from './processes.ts';
import { basicAuthorization } from './raw-request.ts';

/** Conversations that no git client has: bytes in, bytes out, through a real door. */

/** `text` as one pkt-line. */
function packet(text: string): string {
  return `${(Buffer.byteLength(text) + 4).toString(16).padStart(4, '0')}${text}`;
}

/** Lines as packets; `0000` and `0001` are the flush and the delimiter. */
export function packets(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => (/^000[01]$/.test(line) ? line : packet(line))).join(''));
}

/** Packets as lines, without line feeds; the first that is none, and all behind it, as it is. */
export function unpacked(bytes: Buffer): string[] {
  const lines: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = Number.parseInt(bytes.toString('latin1', at, at + 4), 16);
    if (!(length >= 0) || at + length > bytes.length) return [...lines, bytes.toString('latin1', at)];
    lines.push(length < 4 ? `000${length}` : bytes.toString('utf8', at + 4, at + length).replace(/\n$/, ''));
    at += Math.max(4, length);
  }
  return lines;
}

/**
 * Sends one request of protocol v2 to upload-pack and returns the lines of the answer, the capabilities
 * that a dialogue begins with left out; with no request, those capabilities.
 */
export async function uploadPackV2(remote: Remote, ...request: readonly string[]): Promise<string[]> {
  const url = new URL(remote.url);
  if (url.protocol === 'http:') return unpacked(await overHttp(url, request));
  const lines = unpacked(
    await (url.protocol === 'ssh:' ? overSsh(url, remote, request) : overDaemon(url, request)),
  );
  const hello = lines.indexOf('0000') + 1;
  return request.length === 0 ? lines.slice(0, hello) : lines.slice(hello);
}

async function overHttp(url: URL, request: readonly string[]): Promise<Buffer> {
  const plain = new URL(url);
  plain.username = plain.password = '';
  const headers = {
    'git-protocol': 'version=2',
    ...basicAuthorization(url),
  };
  const response =
    request.length === 0
      ? await fetch(`${plain.href}/info/refs?service=git-upload-pack`, { headers })
      : await fetch(`${plain.href}/git-upload-pack`, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/x-git-upload-pack-request' },
          body: new Uint8Array(packets(...request)),
        });
  return Buffer.from(await response.arrayBuffer());
}

async function overSsh(url: URL, remote: Remote, request: readonly string[]): Promise<Buffer> {
  const [ssh = 'ssh', ...options] = (remote.env['GIT_SSH_COMMAND'] ?? '').split(' ');
  const place = ['-o', 'SendEnv=GIT_PROTOCOL', '-p', url.port, `${url.username}@${url.hostname}`];
  const result = await run(
    ssh,
    [...options, ...place, `git-upload-pack '${decodeURIComponent(url.pathname)}'`],
    {
      env: { PATH: process.env['PATH'] ?? '', GIT_PROTOCOL: 'version=2' },
      input: Buffer.concat([packets(...request), request.length === 0 ? packets('0000') : Buffer.alloc(0)]),
    },
  );
  return result.stdout;
}

function overDaemon(url: URL, request: readonly string[]): Promise<Buffer> {
  const path = decodeURIComponent(url.pathname);
  const hello = packets(`git-upload-pack ${path}\0host=${url.host}\0\0version=2\0`);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(url.port), url.hostname, () => {
      socket.write(hello);
      socket.end(request.length === 0 ? packets('0000') : packets(...request));
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}
