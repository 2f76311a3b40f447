import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { cleanEnvironment } from '#test/git';
import { startProcess } from '#test/processes';
import { basicAuthorization } from '#test/raw-request';
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
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${contestant.name} answered ${response.statusCode}`);
  for await (const chunk of response as AsyncIterable<Buffer>) reader.push(chunk);
  return reader.result();
}

/** One dialogue: the advertisement, which ends with a flush packet, then the request, the answer and the end. */
async function converse(stream: Readable, reader: PackReader, body: string, to: Writable): Promise<void> {
  let advertisement: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (advertisement === undefined) {
      reader.push(chunk);
      if (reader.ended) to.end('0000');
      continue;
    }
    advertisement = Buffer.concat([advertisement, chunk]);
    if (advertisement.subarray(-4).toString('latin1') !== '0000') continue;
    advertisement = undefined;
    to.write(body);
  }
}

async function overDaemon(contestant: Contestant, body: string, verify = false): Promise<PackResult> {
  const url = new URL(contestant.url);
  const startedMs = performance.now();
  const socket = connect(Number(url.port), url.hostname);
  socket.setNoDelay(true);
  const reader = new PackReader(startedMs, verify);
  const greeting = `git-upload-pack ${url.pathname}\0host=${url.host}\0\0version=2\0`;
  socket.write((greeting.length + 4).toString(16).padStart(4, '0') + greeting);
  await converse(socket, reader, body, socket);
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
  await converse(stdout, reader, body, stdin);
  const exit = await running.exited;
  if (exit.code !== 0)
    throw new Error(`ssh to ${contestant.name} ended with ${exit.code}:\n${running.stderr}`);
  return reader.result();
}
