import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createGunzip } from 'node:zlib';
import { ByteReader, type ByteSink, readSettings, silentLog, systemClock } from '#base';
import {
  advertiseReceivePack,
  advertiseUploadPack,
  type Conversation,
  encodePktLine,
  flushPkt,
  parseGitProtocol,
  serveReceivePack,
  serveUploadPack,
  type ReceivePackRepository,
  type UploadPackRepository,
  type WireOptions,
} from '#wire';

/** The smallest doors there can be, to test the protocol with real clients: HTTP and git:// to one repository. */

export const plainOptions: WireOptions = {
  settings: readSettings().wire,
  agent: 'packhorse/test',
  sessionId: 'a-session',
  clock: systemClock,
  log: silentLog,
};

export interface PlainServer extends AsyncDisposable {
  readonly url: string;
  /** What the protocol threw for the door to log. */
  readonly failures: unknown[];
}

/** What is served: both views of one repository. */
export type ServedRepository = UploadPackRepository & ReceivePackRepository;

type Services = {
  readonly advertise: (conversation: Conversation) => Promise<void>;
  readonly serve: (conversation: Conversation) => Promise<void>;
};

function servicesOf(repository: ServedRepository, service: string, options: WireOptions): Services {
  if (service === 'git-receive-pack') {
    return {
      advertise: (conversation) => advertiseReceivePack(repository, conversation, options),
      serve: (conversation) => serveReceivePack(repository, conversation, options),
    };
  }
  return {
    advertise: (conversation) => advertiseUploadPack(repository, conversation, options),
    serve: (conversation) => serveUploadPack(repository, conversation, options),
  };
}

function sinkOf(stream: Socket | ServerResponse): ByteSink {
  return {
    async write(...chunks) {
      let room = true;
      for (const chunk of chunks) room = stream.write(chunk);
      if (!room) await once(stream, 'drain');
    },
  };
}

async function* bodyOf(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  yield* request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request;
}

/** Serves `repository` at `url` over HTTP. */
export async function plainHttp(repository: ServedRepository, options = plainOptions): Promise<PlainServer> {
  const failures: unknown[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const service = url.searchParams.get('service') ?? url.pathname.split('/').at(-1) ?? '';
    const version = parseGitProtocol(request.headers['git-protocol']?.toString());
    const output = sinkOf(response);
    const signal = new AbortController().signal;
    const conversation: Conversation = { input: bodyOf(request), output, version, stateless: true, signal };
    const services = servicesOf(repository, service, options);
    if (url.pathname.endsWith('/info/refs')) {
      response.setHeader('content-type', `application/x-${service}-advertisement`);
      if (version !== 2 || service === 'git-receive-pack') {
        await output.write(encodePktLine(`# service=${service}\n`), flushPkt);
      }
      await services.advertise(conversation);
    } else {
      response.setHeader('content-type', `application/x-${service}-result`);
      await services.serve(conversation);
    }
    response.end();
  };
  const server = createHttpServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      failures.push(error);
      response.destroy();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/repository.git`,
    failures,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Serves `repository` at `url` over git:// (gitprotocol-pack, "Git Transport"): one stateful dialogue. */
export async function plainDaemon(
  repository: ServedRepository,
  options = plainOptions,
): Promise<PlainServer> {
  const failures: unknown[] = [];
  const talk = async (socket: Socket): Promise<void> => {
    const reader = new ByteReader(socket);
    const lengthBytes = Number.parseInt(Buffer.from((await reader.read(4)) ?? []).toString(), 16);
    const line = Buffer.from((await reader.read(lengthBytes - 4)) ?? []).toString();
    const [command = '', ...extra] = line.split('\0');
    const service = command.split(' ')[0] ?? '';
    const version = parseGitProtocol(extra.find((key) => key.startsWith('version=')));
    const input = reader.rest();
    const signal = new AbortController().signal;
    const conversation: Conversation = { input, output: sinkOf(socket), version, stateless: false, signal };
    const services = servicesOf(repository, service, options);
    await services.advertise(conversation);
    await services.serve(conversation);
  };
  const sockets = new Set<Socket>();
  const talks: Promise<unknown>[] = [];
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    talks.push(
      talk(socket)
        .catch((error: unknown) => failures.push(error))
        .finally(() => socket.end()),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `git://127.0.0.1:${port}/repository.git`,
    failures,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
      await Promise.all(talks);
    },
  };
}
