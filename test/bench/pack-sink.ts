import { connect } from 'node:net';
import { cleanEnvironment } from '#test/git';
import { startProcess } from '#test/processes';
import type { Contestant } from './contestant.ts';
import { basicAuthorization } from '#test/raw-request';

/** What the clock says about one pack. */
export interface PackTimes {
  /** From the connection until the last byte of the answer. */
  readonly totalMs: number;
  /** From the connection until the first byte of the pack. */
  readonly firstByteMs: number;
}

/**
 * Asks for a pack and drops what arrives, with as little work as a reader can have: one buffer per
 * connection, nothing decoded. On a machine that runs both, a dear client would hide what the
 * server costs. That the answer is right is looked at elsewhere, with a `PackReader`.
 */
export function drainPack(contestant: Contestant, body: string): Promise<PackTimes> {
  return ways[contestant.transport](contestant, body);
}

const ways: Readonly<Record<Contestant['transport'], typeof drainPack>> = {
  http: overHttp,
  git: overDaemon,
  ssh: overSsh,
};

const bufferBytes = 512 * 1024;
/** The first packet of the first side band with something in it (gitprotocol-pack); keep-alives are empty. */
const packStart = Buffer.from('\x01P');
const flush = '0000';
/** As it is, or in the last part of a chunked HTTP answer. */
const answerEnd = /0000(?:\r\n0\r\n\r\n)?$/;
const tailBytes = 11;
/** The most that may come before a pack: shallow lines, progress. */
const maxPrefaceBytes = 8 * 1024 * 1024;

/** Looks for the start of a pack, and from then on only at the last bytes. */
class Sink {
  readonly #startedMs = performance.now();
  #preface: Buffer = Buffer.alloc(0);
  #firstByteMs: number | undefined;
  #tail = '';
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#tail = (this.#tail + chunk.toString('latin1', Math.max(0, chunk.length - tailBytes))).slice(
      -tailBytes,
    );
    if (this.#firstByteMs !== undefined) return;
    this.#preface = Buffer.concat([this.#preface, chunk]);
    if (this.#preface.includes(packStart)) {
      this.#firstByteMs = performance.now() - this.#startedMs;
      this.#preface = Buffer.alloc(0);
    } else if (this.#preface.length > maxPrefaceBytes) {
      throw new Error(`there is no pack in this answer: ${this.#preface.toString('latin1', 0, 400)}`);
    }
  }

  /** True when what came last is the flush packet that ends the answer, also inside the last HTTP chunk. */
  get ended(): boolean {
    return this.#firstByteMs !== undefined && answerEnd.test(this.#tail);
  }

  times(name: string): PackTimes {
    if (this.#firstByteMs === undefined || !this.ended) {
      const said = this.#preface.toString('latin1', 0, 200);
      throw new Error(`the answer of ${name} ended early, after ${this.#bytes} bytes: ${said}`);
    }
    return { totalMs: performance.now() - this.#startedMs, firstByteMs: this.#firstByteMs };
  }
}

/** Reads from a socket into one buffer; `onChunk` may write to it. Resolves when the server closed it. */
function drainSocket(
  url: URL,
  greeting: string,
  onChunk: (chunk: Buffer, write: (text: string) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(bufferBytes),
        callback: (bytesRead, buffer) => {
          try {
            onChunk(Buffer.from(buffer.buffer, buffer.byteOffset, bytesRead), (text) => {
              // Several chunks may follow the end of the answer.
              if (!socket.writableEnded) socket.end(text);
            });
          } catch (error) {
            socket.destroy(error as Error);
          }
          return true;
        },
      },
    });
    socket.once('error', reject).once('close', () => resolve());
    socket.write(greeting);
  });
}

async function overHttp(contestant: Contestant, body: string): Promise<PackTimes> {
  const url = new URL(`${contestant.url}/git-upload-pack`);
  const headers = {
    host: url.host,
    ...basicAuthorization(url),
    'content-type': 'application/x-git-upload-pack-request',
    'content-length': String(Buffer.byteLength(body)),
    'git-protocol': 'version=2',
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const sink = new Sink();
  const request = `POST ${url.pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
  await drainSocket(url, request, (chunk) => sink.push(chunk));
  return sink.times(contestant.name);
}

async function overDaemon(contestant: Contestant, body: string): Promise<PackTimes> {
  const url = new URL(contestant.url);
  const greeting = `git-upload-pack ${url.pathname}\0host=${url.host}\0\0version=2\0`;
  const packet = (greeting.length + 4).toString(16).padStart(4, '0') + greeting;
  const sink = new Sink();
  // The request does not depend on the advertisement, so it can go at once.
  await drainSocket(url, packet + body, (chunk, end) => {
    sink.push(chunk);
    if (sink.ended) end(flush);
  });
  return sink.times(contestant.name);
}

async function overSsh(contestant: Contestant, body: string): Promise<PackTimes> {
  const url = new URL(contestant.url);
  const [command = 'ssh', ...args] = (contestant.env['GIT_SSH_COMMAND'] ?? 'ssh').split(' ');
  const target = ['-o', 'SendEnv=GIT_PROTOCOL', '-p', url.port, `${url.username}@${url.hostname}`];
  const sink = new Sink();
  const running = startProcess(command, [...args, ...target, `git-upload-pack '${url.pathname}'`], {
    env: cleanEnvironment({ GIT_PROTOCOL: 'version=2' }),
    binary: true,
  });
  const { stdin, stdout } = running.child;
  if (stdin === null || stdout === null) throw new Error('ssh has no standard streams');
  stdin.end(body + flush);
  for await (const chunk of stdout as AsyncIterable<Buffer>) sink.push(chunk);
  const exit = await running.exited;
  if (exit.code !== 0)
    throw new Error(`ssh to ${contestant.name} ended with ${exit.code}:\n${running.stderr}`);
  return sink.times(contestant.name);
}
