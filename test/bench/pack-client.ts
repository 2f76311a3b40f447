import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { cleanEnvironment } from '#test/git';
import { startProcess } from '#test/processes';
import type { Contestant } from './contestant.ts';
import { PackReader, type PackResult } from './pack-reader.ts';

/** Asks for a pack and throws it away: what the server needs, without what git does with it. */
export function readPack(contestant: Contestant, body: string, verify = false): Promise<PackResult> {
  return ways[contestant.transport](contestant, body, verify);
}

const ways: Readonly<Record<Contestant['transport'], typeof readPack>> = {
  http: overHttp,
  git: overDaemon,
  ssh: overSsh,
};

export function basicAuthorization(url: URL): Record<string, string> {
  if (url.username === '') return {};
  const secret = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return { authorization: `Basic ${Buffer.from(secret).toString('base64')}` };
}

async function overHttp(contestant: Contestant, body: string, verify = false): Promise<PackResult> {
  const url = new URL(`${contestant.url}/git-upload-pack`);
  const reader = new PackReader(performance.now(), verify);
  const sent = request({
    hostname: url.hostname,
    port: url.port,
    path: url.pathname,
    method: 'POST',
    agent: false,
    headers: {
      ...basicAuthorization(url),
      'content-type': 'application/x-git-upload-pack-request',
      'git-protocol': 'version=2',
      'content-length': Buffer.byteLength(body),
    },
  });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [NodeJS.ReadableStream & { statusCode?: number }];
  if (response.statusCode !== 200) throw new Error(`${contestant.name} answered ${response.statusCode}`);
  response.on('data', (chunk: Buffer) => reader.push(chunk));
  await once(response, 'end');
  return reader.result();
}

/** Passes on everything after the advertisement, which ends with a flush packet. */
function afterAdvertisement(onStart: () => void, onData: (chunk: Buffer) => void): (chunk: Buffer) => void {
  let seen: Buffer | undefined = Buffer.alloc(0);
  return (chunk) => {
    if (seen === undefined) return onData(chunk);
    seen = Buffer.concat([seen, chunk]);
    if (seen.subarray(-4).toString('latin1') !== '0000') return undefined;
    seen = undefined;
    return onStart();
  };
}

async function overDaemon(contestant: Contestant, body: string, verify = false): Promise<PackResult> {
  const url = new URL(contestant.url);
  const startedMs = performance.now();
  const socket = connect(Number(url.port), url.hostname);
  socket.setNoDelay(true);
  const reader = new PackReader(startedMs, verify);
  const greeting = `git-upload-pack ${url.pathname}\0host=${url.host}\0\0version=2\0`;
  socket.write((greeting.length + 4).toString(16).padStart(4, '0') + greeting);
  const finish = (chunk: Buffer): void => {
    reader.push(chunk);
    if (reader.ended) socket.end('0000');
  };
  socket.on(
    'data',
    afterAdvertisement(() => socket.write(body), finish),
  );
  await once(socket, 'close');
  return reader.result();
}

async function overSsh(contestant: Contestant, body: string, verify = false): Promise<PackResult> {
  const url = new URL(contestant.url);
  const ssh = contestant.env['GIT_SSH_COMMAND'] ?? 'ssh';
  const [command = 'ssh', ...args] = ssh.split(' ');
  const target = ['-o', 'SendEnv=GIT_PROTOCOL', '-p', url.port, `${url.username}@${url.hostname}`];
  const startedMs = performance.now();
  const running = startProcess(command, [...args, ...target, `git-upload-pack '${url.pathname}'`], {
    env: cleanEnvironment({ GIT_PROTOCOL: 'version=2' }),
    binary: true,
  });
  const { stdin, stdout } = running.child;
  if (stdin === null || stdout === null) throw new Error('ssh has no standard streams');
  const reader = new PackReader(startedMs, verify);
  const finish = (chunk: Buffer): void => {
    reader.push(chunk);
    if (reader.ended) stdin.end('0000');
  };
  stdout.on(
    'data',
    afterAdvertisement(() => stdin.write(body), finish),
  );
  const exit = await running.exited;
  if (exit.code !== 0)
    throw new Error(`ssh to ${contestant.name} ended with ${exit.code}:\n${running.stderr}`);
  return reader.result();
}
