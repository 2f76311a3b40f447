import { randomUUID } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { clientAddress, readChunks, type Clock, type PackhorseError } from '#base';

/** A client may name its request, so that its own logs and ours can be joined. */
const acceptableId = /^[\w.:-]{1,64}$/;

/** Bytes that a connection had moved when its previous request was finished. */
const movedBefore = new WeakMap<Socket, { readonly read: number; readonly written: number }>();

/** What goes wrong on a socket ends in `close`; without a listener it would end the process. */
const ignore = (): void => undefined;

/** One request and its response, with what the access log says about them. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly remoteAddress: string;
  /** For the log: who asked, once that is known, and what went wrong. */
  login: string | undefined;
  failure: PackhorseError | undefined;
  /** Whether the response says the id. */
  tellsId = true;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #id: string | undefined;
  #abort: AbortController | undefined;
  #abortReason: PackhorseError | undefined;
  #lastChunk: Uint8Array | undefined;
  /** True while the client waits for `100 Continue` before it sends its body (RFC 9110, 10.1.1). */
  #awaitsContinue: boolean;
  #isBodyRead = false;

  constructor(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean, clock: Clock) {
    this.request = request;
    this.response = response;
    this.#awaitsContinue = awaitsContinue;
    this.#clock = clock;
    this.#startedMs = clock.nowMs();
    this.remoteAddress = clientAddress(request);
    request.on('error', ignore);
    response.on('error', ignore);
  }

  get id(): string {
    const named = this.request.headers['x-request-id'];
    return (this.#id ??= typeof named === 'string' && acceptableId.test(named) ? named : randomUUID());
  }

  /** Aborted when the client is gone or the server shuts down. Most exchanges end without ever having needed one. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  get isAborted(): boolean {
    return this.#abortReason !== undefined;
  }

  /** Ends whatever runs for this request. */
  abort(reason: PackhorseError): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(reason);
  }

  /** Asks for the body of a client that waits to be asked. */
  continue(): void {
    if (!this.#awaitsContinue) return;
    this.#awaitsContinue = false;
    this.response.writeContinue();
  }

  /** Begins the response, which carries the request's id where the client is to know it. */
  writeHead(status: number, headers: OutgoingHttpHeaders): void {
    this.response.writeHead(status, this.tellsId ? { ...headers, 'X-Request-Id': this.id } : headers);
  }

  /** The last of the body, which is to leave together with the end of the response. */
  writeLast(chunk: Uint8Array): void {
    this.#lastChunk = chunk;
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
    const lastChunk = this.#lastChunk;
    if (!this.#awaitsContinue && this.isReceiving) {
      if (lastChunk !== undefined) response.write(lastChunk);
      const patience = AbortSignal.any([this.signal, AbortSignal.timeout(lingerMs)]);
      try {
        for await (const _ of readChunks(request, patience));
      } catch {
        response.destroy();
        return;
      }
      response.end();
    } else if (lastChunk === undefined) response.end();
    else response.end(lastChunk);
  }

  /** Closes the connection after what was written so far, so that nobody takes it for a whole response. */
  breakOff(): void {
    const { socket } = this.response;
    if (socket === null) this.response.destroy();
    else socket.destroySoon();
  }

  /** One line of the access log, once the response is closed. */
  record(door: string): Readonly<Record<string, unknown>> {
    const { request, response } = this;
    const { socket } = request;
    const before = movedBefore.get(socket);
    movedBefore.set(socket, { read: socket.bytesRead, written: socket.bytesWritten });
    return {
      door,
      requestId: this.id,
      method: request.method,
      path: request.url?.split('?', 1)[0],
      status: response.headersSent ? response.statusCode : undefined,
      durationMs: this.#clock.nowMs() - this.#startedMs,
      bytesIn: socket.bytesRead - (before?.read ?? 0),
      bytesOut: socket.bytesWritten - (before?.written ?? 0),
      remoteAddress: this.remoteAddress,
      userAgent: request.headers['user-agent'],
      ...(this.login !== undefined && { login: this.login }),
      ...(!response.writableFinished && { aborted: true }),
      ...(this.failure !== undefined && { code: this.failure.code }),
    };
  }
}
