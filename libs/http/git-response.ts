import type { ServerResponse } from 'node:http';
import { orAbort, type ByteSink } from '#base';
import { noCacheHeaders } from './answers.ts';

/**
 * The body of a successful Git response. The header is sent with the first bytes, so that what
 * fails before them can still be answered with a status of its own.
 */
export class GitResponse implements ByteSink {
  readonly #response: ServerResponse;
  readonly #contentType: string;
  readonly #signal: AbortSignal;
  #preamble: readonly Uint8Array[];

  /** `preamble` goes before the first bytes written. */
  constructor(
    response: ServerResponse,
    contentType: string,
    signal: AbortSignal,
    preamble: readonly Uint8Array[] = [],
  ) {
    this.#response = response;
    this.#contentType = contentType;
    this.#signal = signal;
    this.#preamble = preamble;
  }

  /** Sends the header, if that has not happened yet. */
  start(): void {
    if (this.#response.headersSent) return;
    this.#response.writeHead(200, { ...noCacheHeaders, 'Content-Type': this.#contentType });
  }

  async write(...chunks: readonly Uint8Array[]): Promise<void> {
    await this.#send(chunks, (response) => response.writableLength < response.writableHighWaterMark);
  }

  async writeThrough(...chunks: readonly Uint8Array[]): Promise<void> {
    await this.#send(chunks, () => false);
  }

  /** A little is not waited for, so that a short answer leaves together with its end. */
  async #send(chunks: readonly Uint8Array[], isLittle: (response: ServerResponse) => boolean): Promise<void> {
    const last = chunks.at(-1);
    if (last === undefined) return;
    const first = [...this.#preamble, ...chunks.slice(0, -1)];
    this.#preamble = [];
    await orAbort(this.#signal, (done) => {
      const response = this.#response;
      this.start();
      // Corked, all chunks leave in one system call, as one chunk of the transfer coding.
      if (first.length > 0) response.cork();
      for (const chunk of first) response.write(chunk);
      // An error closes the response, which aborts the signal.
      response.write(last, () => done());
      if (first.length > 0) response.uncork();
      if (isLittle(response)) done();
    });
  }
}
