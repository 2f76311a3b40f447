import { randomUUID } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { clientAddress, PackhorseError, readChunks, type Clock } from '#base';

/** A client may name its request, so that its own logs and ours can be joined. */
const acceptableId = /^[\w.:-]{1,64}$/;

/** Bytes that a connection had moved when its previous request was finished. */
const movedBefore = new WeakMap<Socket, { readonly read: number; readonly written: number }>();

/** One request and its response, with what the access log says about them. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly id: string;
  readonly remoteAddress: string;
  /** Aborted when the client is gone or the server shuts down. */
  readonly signal: AbortSignal;
  /** For the log: who asked, once that is known, and what went wrong. */
  login: string | undefined;
  failure: PackhorseError | undefined;
  /** Whether the response says the id. */
  tellsId = true;
  readonly #abort = new AbortController();
  readonly #clock: Clock;
  readonly #startedMs: number;
  /** True while the client waits for `100 Continue` before it sends its body (RFC 9110, 10.1.1). */
  #awaitsContinue: boolean;
  #isBodyRead = false;

  constructor(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean, clock: Clock) {
    this.request = request;
    this.response = response;
    this.#awaitsContinue = awaitsContinue;
    this.#clock = clock;
    this.#startedMs = clock.nowMs();
    this.signal = this.#abort.signal;
    this.remoteAddress = clientAddress(request);
    const named = request.headers['x-request-id'];
    this.id = typeof named === 'string' && acceptableId.test(named) ? named : randomUUID();
    // What goes wrong on a socket ends in `close`; without a listener it would end the process.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    response.once('close', () => {
      if (!response.writableFinished) this.abort(new PackhorseError('cancelled', 'The client went away.'));
    });
  }

  /** Ends whatever runs for this request. */
  abort(reason: PackhorseError): void {
    this.#abort.abort(reason);
  }

  /** Asks for the body of a client that waits to be asked. */
  continue(): void {
    if (!this.#awaitsContinue) return;
    this.#awaitsContinue = false;
    this.response.writeContinue();
  }

  /** Begins the response, which carries the request's id where the client is to know it. */
  writeHead(status: number, headers: OutgoingHttpHeaders): void {
    const id = this.tellsId ? { 'X-Request-Id': this.id } : {};
    this.response.writeHead(status, { ...headers, ...id });
  }

  /** Says that the whole body was read, which the HTTP parser notices only a moment later. */
  bodyWasRead(): void {
    this.#isBodyRead = true;
  }

  /** True while some of the request's body has not arrived. */
  get isReceiving(): boolean {
    if (this.#isBodyRead) return false;
    const { headers, complete } = this.request;
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    return hasBody && !complete;
  }

  /**
   * Ends the response. What is left of the request body is still taken for a while, because a
   * connection that is reset while the client sends would lose the answer on its way.
   */
  async end(lingerMs: number): Promise<void> {
    const { request, response } = this;
    if (!this.#awaitsContinue && this.isReceiving) {
      const patience = AbortSignal.any([this.signal, AbortSignal.timeout(lingerMs)]);
      try {
        for await (const _ of readChunks(request, patience));
      } catch {
        response.destroy();
        return;
      }
    }
    response.end();
  }

  /** Closes the connection after what was written so far, so that nobody takes it for a whole response. */
  breakOff(): void {
    const { socket } = this.response;
    if (socket === null) this.response.destroy();
    else socket.destroySoon();
  }

  /** One line of the access log, once the response is closed. */
  record(): Readonly<Record<string, unknown>> {
    const { request, response } = this;
    const { socket } = request;
    const before = movedBefore.get(socket) ?? { read: 0, written: 0 };
    movedBefore.set(socket, { read: socket.bytesRead, written: socket.bytesWritten });
    return {
      requestId: this.id,
      method: request.method,
      path: request.url?.split('?', 1)[0],
      status: response.headersSent ? response.statusCode : undefined,
      durationMs: this.#clock.nowMs() - this.#startedMs,
      bytesIn: socket.bytesRead - before.read,
      bytesOut: socket.bytesWritten - before.written,
      remoteAddress: this.remoteAddress,
      userAgent: request.headers['user-agent'],
      ...(this.login !== undefined && { login: this.login }),
      ...(!response.writableFinished && { aborted: true }),
      ...(this.failure !== undefined && { code: this.failure.code }),
    };
  }
}
