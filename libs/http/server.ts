import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Authenticator } from '#accounts';
import {
  type Clock,
  ConnectionLimit,
  eventOf,
  type Log,
  PackhorseError,
  plainAddress,
  type Settings,
  systemClock,
  type TrustedProxies,
} from '#base';
import type { FileGateway, GitGateway } from '#gateway';
import type { Metrics } from '#telemetry';
import { sendError } from './answers.ts';
import { answerBusy, answerProtocolError } from './client-error.ts';
import { Exchange } from './exchange.ts';
import { serveFile } from './file-door.ts';
import { GatheredWork } from './gathered-work.ts';
import { serveGit } from './git-door.ts';
import { parseGitTarget } from './git-target.ts';
import { parseRootTarget } from './root-target.ts';
import { serveStatus, type Health } from './status.ts';

/** Answers a request that is not for Git: the web and GraphQL doors. */
export type Fallback = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpServerOptions {
  readonly git: GitGateway;
  /** undefined without accounts: then everyone is anonymous. */
  readonly authenticator: Authenticator | undefined;
  /** Files for clients of the dumb protocol; with it, addresses are those of git http-backend, at any depth. */
  readonly files?: FileGateway;
  readonly settings: Settings['http'];
  readonly log: Log;
  readonly fallback: Fallback;
  /** Whose word about where a request came from counts; absent: nobody's. */
  readonly proxies?: TrustedProxies;
  /** Absent: the node is well as long as it answers and is not shutting down. */
  readonly health?: Health;
  readonly metrics: Metrics;
  readonly clock?: Clock;
}

/** The HTTP door. */
export interface HttpServer {
  /** Returns the port, where 0 picks a free one. Rejects when the address cannot be used. */
  listen(host: string, port: number): Promise<number>;
  /**
   * Stops accepting, closes resting connections and waits for running requests, at most
   * `timeoutMs`; what still runs then is aborted. Resolves when every connection is closed.
   */
  drain(timeoutMs: number): Promise<void>;
}

/** How long an aborted request may take to say so. */
const farewellMs = 1_000;
const tcpKeepAliveMs = 60_000;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  return new NodeHttpServer(options);
}

class NodeHttpServer implements HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #running = new Set<Exchange>();
  readonly #gitWork = new GatheredWork();
  readonly #limit: ConnectionLimit;
  readonly #clock: Clock;
  readonly #health: Health = {
    live: async () => this.#options.health?.live(),
    ready: async () =>
      this.#isDraining ? 'The server is shutting down.' : await this.#options.health?.ready(),
  };
  #isDraining = false;

  constructor(options: HttpServerOptions) {
    const { settings, metrics } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: tcpKeepAliveMs,
      maxHeaderSize: settings.maxHeaderBytes,
      headersTimeout: settings.headersTimeoutMs,
      keepAliveTimeout: settings.idleTimeoutMs,
      // A push may take any time as long as bytes move: the stall timeout below watches over that.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.max(100, Math.min(5_000, settings.headersTimeoutMs / 4)),
    });
    this.#server.timeout = settings.stallTimeoutMs;
    this.#server.maxConnections = settings.maxConnections;
    this.#limit = new ConnectionLimit(settings);
    this.#server.on('connection', (socket: Socket) => this.#admit(socket));
    this.#server.on('drop', () => metrics.limitsReached.inc({ limit: 'http_connections' }));
    this.#server.on('request', (request, response) => this.#accept(request, response, false));
    this.#server.on('checkContinue', (request, response) => this.#accept(request, response, true));
    this.#server.on('clientError', (error, socket) => this.#refuse(error, socket as Socket));
  }

  async listen(host: string, port: number): Promise<number> {
    const listening = eventOf(this.#server, ['listening'], new AbortController().signal);
    this.#server.listen(port, host);
    await listening;
    this.#server.on('error', (error) => this.#options.log.error('the HTTP door has a problem', { error }));
    return (this.#server.address() as AddressInfo).port;
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    for (const { response } of this.#running) response.shouldKeepAlive = false;
    const stopAborting = this.#clock.after(timeoutMs, () => {
      for (const exchange of this.#running) {
        exchange.abort(new PackhorseError('unavailable', 'The server is shutting down. Please try again.'));
      }
    });
    const stopClosing = this.#clock.after(timeoutMs + farewellMs, () => this.#server.closeAllConnections());
    await closed;
    stopAborting();
    stopClosing();
  }

  /** A proxy speaks for many, so that only the limit on all connections holds for it. */
  #admit(socket: Socket): void {
    const { metrics, proxies } = this.#options;
    const address = plainAddress(socket.remoteAddress);
    if (proxies?.trusts(address) === true) return;
    if (this.#limit.objection(address) === undefined) {
      socket.once('close', this.#limit.enter(address));
      return;
    }
    metrics.limitsReached.inc({ limit: 'http_connections_per_address' });
    answerBusy(socket);
  }

  #accept(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    this.#options.proxies?.note(request);
    const exchange = new Exchange(request, response, awaitsContinue, this.#clock);
    this.#running.add(exchange);
    if (this.#isDraining) response.shouldKeepAlive = false;
    const door = this.#dispatch(exchange);
    response.once('close', () => this.#finish(exchange, door));
  }

  #refuse(error: Error, socket: Socket): void {
    const exchanges = [...this.#running].filter(({ request }) => request.socket === socket);
    const isAnswering = exchanges.some(({ response }) => response.headersSent);
    const cause = new PackhorseError('cancelled', 'The client sent what is not HTTP.', { cause: error });
    for (const exchange of exchanges) exchange.abort(cause);
    answerProtocolError(error, socket, isAnswering);
  }

  /** Hands the request to whoever answers it; returns the name of that door. */
  #dispatch(exchange: Exchange): 'git' | 'status' | 'web' {
    const { files, metrics, fallback, settings } = this.#options;
    const { request, response } = exchange;
    const parse = files === undefined ? parseGitTarget : parseRootTarget;
    const target = parse(request.method ?? '', request.url ?? '');
    // The header fields are those that git http-backend sends.
    exchange.tellsId = files === undefined;
    if (target?.kind === 'file' && files !== undefined) {
      void serveFile(exchange, target, files, settings);
      return 'git';
    }
    if (target !== undefined && target.kind !== 'file') {
      this.#gitWork.add(() => void serveGit(exchange, target, this.#options));
      return 'git';
    }
    if (serveStatus(exchange, this.#health, metrics, settings)) return 'status';
    try {
      exchange.continue();
      if (exchange.tellsId) response.setHeader('X-Request-Id', exchange.id);
      fallback(request, response);
    } catch (thrown) {
      void sendError(exchange, thrown, settings.lingerTimeoutMs);
    }
    return 'web';
  }

  #finish(exchange: Exchange, door: 'git' | 'status' | 'web'): void {
    const { log, metrics } = this.#options;
    this.#running.delete(exchange);
    const { response } = exchange;
    if (!response.writableFinished) exchange.abort(new PackhorseError('cancelled', 'The client went away.'));
    const { failure } = exchange;
    if (failure !== undefined && (failure.code === 'internal' || failure.code === 'data_loss')) {
      log.error('a request failed', { requestId: exchange.id, error: failure });
    }
    log.info('http request', () => exchange.record(door));
    const status = response.headersSent ? `${Math.floor(response.statusCode / 100)}xx` : 'none';
    metrics.httpRequests.inc({ door, status });
    // The connection of a finished request rests, and would hold up the end for its idle time.
    if (this.#isDraining) setImmediate(() => this.#server.closeIdleConnections());
  }
}
