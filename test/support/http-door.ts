import { connect, type Socket } from 'node:net';
import type { Authenticator, UserIdentity } from '#accounts';
import { PackhorseError, readSettings, silentLog, type Log, type LogFields, type Settings } from '#base';
import { createHttpServer, type HttpServerOptions } from '#http';
import { Metrics } from '#telemetry';
import { FakeGitGateway } from './fake-git-gateway.ts';
import { run, type RunResult } from './processes.ts';

export const ada: UserIdentity = {
  kind: 'user',
  userId: '1',
  login: 'ada',
  email: 'ada@example.org',
  isAdmin: false,
  via: 'password',
  scopes: new Set(['repo:write']),
};

/** Knows ada, her password `lovelace` and her token `token1`. */
const authenticator: Authenticator = {
  async byPassword(login, secret) {
    if (login === 'ada' && secret === 'lovelace') return ada;
    if (login === 'flood') throw new PackhorseError('resource_exhausted', 'Too many failed logins.');
    throw new PackhorseError('unauthenticated', 'Wrong user name or password.');
  },
  async byToken(token) {
    if (token === 'token1') return ada;
    throw new PackhorseError('unauthenticated', 'This token is not known.');
  },
  byKey: async () => undefined,
  bySession: async () => undefined,
};

/** One entry of the access log. */
export type Access = LogFields & { readonly status?: number; readonly path?: string };

/** The HTTP door over a gateway without repositories, on a port of its own. */
export class HttpDoor implements AsyncDisposable {
  readonly git = new FakeGitGateway();
  readonly metrics = new Metrics();
  readonly accesses: Access[] = [];
  readonly failures: LogFields[] = [];
  readonly #server: ReturnType<typeof createHttpServer>;
  #port = 0;

  private constructor(settings: Partial<Settings['http']>, options: Partial<HttpServerOptions>) {
    const log: Log = {
      ...silentLog,
      info: (_message, fields) =>
        this.accesses.push((typeof fields === 'function' ? fields() : fields) ?? {}),
      error: (_message, fields) => this.failures.push(fields ?? {}),
    };
    this.#server = createHttpServer({
      git: this.git,
      authenticator,
      settings: { ...readSettings().http, ...settings },
      log,
      metrics: this.metrics,
      fallback: (_request, response) => response.end('a page\n'),
      ...options,
    });
  }

  static async open(
    settings: Partial<Settings['http']> = {},
    options: Partial<HttpServerOptions> = {},
  ): Promise<HttpDoor> {
    const door = new HttpDoor(settings, options);
    door.#port = await door.#server.listen('127.0.0.1', 0);
    return door;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The real curl, showing the response's header before its body. */
  async curl(path: string, ...args: readonly string[]): Promise<RunResult & { readonly text: string }> {
    const result = await run('curl', [
      '-sS',
      '-i',
      '--path-as-is',
      '--max-time',
      '20',
      ...args,
      `${this.url}${path}`,
    ]);
    return { ...result, text: result.stdout.toString().replaceAll('\r\n', '\n') };
  }

  connect(): RawClient {
    return new RawClient(connect({ host: '127.0.0.1', port: this.#port, noDelay: true }));
  }

  drain(timeoutMs: number): Promise<void> {
    return this.#server.drain(timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.drain(0);
  }
}

/** A client that sends exactly what it is told, and keeps what it gets. */
export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #received = '';
  #isEnded = false;

  constructor(socket: Socket) {
    this.socket = socket;
    // A connection that is reset is closed like any other here.
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (part: string) => (this.#received += part));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isEnded = true;
        resolve();
      });
    });
  }

  get received(): string {
    return this.#received;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Everything received so far, once it matches. */
  async until(pattern: RegExp): Promise<string> {
    await this.#until(() => pattern.test(this.#received), `${pattern}`);
    return this.#received;
  }

  /** The body of the last response received, once it is whole (RFC 9112, 6.3). */
  async body(): Promise<string> {
    let body: string | undefined;
    await this.#until(() => (body = bodyOf(this.#received)) !== undefined, 'a whole response');
    return body ?? '';
  }

  async #until(isEnough: () => boolean, what: string): Promise<void> {
    while (!isEnough()) {
      if (this.#isEnded) throw new Error(`closed without ${what}: ${JSON.stringify(this.#received)}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.socket.removeListener('data', wake).removeListener('close', wake);
          resolve();
        };
        this.socket.once('data', wake).once('close', wake);
      });
    }
  }
}

/** The body of the last response, chunked or of known length; undefined while it is not whole. */
function bodyOf(received: string): string | undefined {
  const response = received.slice(received.lastIndexOf('HTTP/1.1 '));
  const headEnd = response.indexOf('\r\n\r\n') + 4;
  if (headEnd < 4) return undefined;
  let rest = response.slice(headEnd);
  const length = /^Content-Length: (\d+)\r$/m.exec(response.slice(0, headEnd))?.[1];
  if (length !== undefined) return rest.length >= Number(length) ? rest : undefined;
  let joined = '';
  for (;;) {
    const lineEnd = rest.indexOf('\r\n');
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(rest.slice(0, lineEnd), 16);
    if (size === 0) return joined;
    joined += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    rest = rest.slice(lineEnd + 2 + size + 2);
  }
}
