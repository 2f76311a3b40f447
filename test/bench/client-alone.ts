import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Contestant } from './contestant.ts';

/** An answer as it was given once. */
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** The first command of a push (gitprotocol-pack, "Reference Update Request"), behind its length. */
const firstCommand = /^.{4}(?<oldOid>[0-9a-f]{40,64}) (?<newOid>[0-9a-f]{40,64}) (?<ref>[^\0]+)\0/s;
const isZero = (oid: string): boolean => /^0+$/.test(oid);

/** What a server says without looking: what `origin` said to the same request before. */
class Replay {
  readonly #origin: string;
  readonly #answers = new Map<string, Answer>();

  constructor(origin: string) {
    this.#origin = origin;
  }

  async answer(request: IncomingMessage): Promise<Answer> {
    const body = await buffer(request);
    const url = request.url ?? '/';
    if (request.method === 'POST' && url.endsWith('/git-receive-pack'))
      return await this.#push(request, body);
    const key = [request.method, url, request.headers['git-protocol'], body.toString('latin1')].join('\n');
    const known = this.#answers.get(key) ?? (await this.#ask(request, body));
    this.#answers.set(key, known);
    return known;
  }

  /** A push that makes a branch is really done. Of later ones only the refs that are advertised take notice. */
  async #push(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const { oldOid = '', newOid = '', ref = '' } = firstCommand.exec(body.toString('latin1'))?.groups ?? {};
    const [repository = ''] = (request.url ?? '').split('/git-receive-pack');
    const key = `${repository} ${ref}`;
    const known = isZero(oldOid) ? undefined : this.#answers.get(key);
    const answer = known ?? (await this.#ask(request, body));
    this.#answers.set(key, answer);
    for (const [asked, advertised] of this.#answers) {
      if (!asked.includes(`${repository}/info/refs`)) continue;
      if (known === undefined) this.#answers.delete(asked);
      const refs = advertised.body.toString('latin1').replace(`${oldOid} ${ref}`, `${newOid} ${ref}`);
      advertised.body = Buffer.from(refs, 'latin1');
    }
    return answer;
  }

  async #ask({ method = 'GET', url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    const sent = ['content-type', 'accept', 'git-protocol'].flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value] as const] : [];
    });
    const response = await fetch(`${this.#origin}${url}`, {
      method,
      headers: Object.fromEntries(sent),
      ...(method === 'POST' ? { body: new Uint8Array(body) } : {}),
    });
    const given = ['content-type', 'cache-control', 'expires', 'pragma'].map(
      (name) => [name, response.headers.get(name) ?? ''] as const,
    );
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: Object.fromEntries(given), body: bytes };
  }
}

/**
 * A server that takes no time: it gives the answers that `baseline` gave to the same requests. What
 * git takes against it is git's own time, which no server can shorten.
 */
export async function startClientAlone(baseline: Contestant): Promise<Contestant> {
  const { origin, pathname } = new URL(baseline.url);
  const replay = new Replay(origin);
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { status, headers, body } = await replay.answer(request);
    response.writeHead(status, { ...headers, 'content-length': body.length }).end(body);
  };
  const server = createServer((request, response) => {
    // Who asked sees a broken connection and fails the run.
    respond(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    name: 'the client alone',
    transport: 'http',
    isBaseline: false,
    isOurs: false,
    isBound: true,
    pids: [],
    url: `${base}${pathname}`,
    env: {},
    create: async (source) => `${base}${new URL(await baseline.create(source)).pathname}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<unknown>((resolve) => server.close(resolve));
    },
  };
}
