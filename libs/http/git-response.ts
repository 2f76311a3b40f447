import type { OutgoingHttpHeaders } from 'node:http';
import { abortError, orAbort, type ByteSink } from '#base';
import { noCacheHeaders } from './answers.ts';
import type { Exchange } from './exchange.ts';

/** An answer that is no longer than this, and ready at once, leaves as one piece. */
const maxHeldBytes = 256 * 1024;

const done = Promise.resolve();

/**
 * The body of a successful Git response. What is written first is held back until the end of this
 * turn of the event loop: most answers are complete by then, and leave in one piece whose length
 * the header says. The header is sent with the first bytes, so that what fails before them can
 * still be answered with a status of its own.
 */
export class GitResponse implements ByteSink, Disposable {
  readonly #exchange: Exchange;
  readonly #contentType: string;
  #preamble: readonly Uint8Array[];
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #flushSoon: NodeJS.Immediate | undefined;

  /** `preamble` goes before the first bytes written. */
  constructor(exchange: Exchange, contentType: string, preamble: readonly Uint8Array[] = []) {
    this.#exchange = exchange;
    this.#contentType = contentType;
    this.#preamble = preamble;
  }

  write(...chunks: readonly Uint8Array[]): Promise<void> {
    const { response, isAborted } = this.#exchange;
    if (isAborted) return Promise.reject(abortError(this.#exchange.signal));
    if (chunks.length === 0 || (!response.headersSent && this.#hold(chunks))) return done;
    // A little is not waited for, so that a short answer leaves together with its end.
    return this.#put(chunks, () => response.writableLength < response.writableHighWaterMark);
  }

  async writeThrough(...chunks: readonly Uint8Array[]): Promise<void> {
    await this.#put(chunks, () => false);
  }

  async #put(chunks: readonly Uint8Array[], isLittle: () => boolean): Promise<void> {
    const last = chunks.at(-1);
    if (last === undefined) return;
    this.#addPreamble();
    await orAbort(this.#exchange.signal, (done) => {
      const { response } = this.#exchange;
      // Corked, all chunks leave in one system call, as one chunk of the transfer coding.
      response.cork();
      this.#send({});
      for (const chunk of chunks.slice(0, -1)) response.write(chunk);
      // An error closes the response, which aborts the signal.
      response.write(last, () => done());
      response.uncork();
      if (isLittle()) done();
    });
  }

  /** False when that would be too much to hold. */
  #hold(chunks: readonly Uint8Array[]): boolean {
    this.#addPreamble();
    const addedBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (this.#heldBytes + addedBytes > maxHeldBytes) return false;
    this.#add(chunks);
    this.#flushSoon ??= setImmediate(() => this.#send({}));
    return true;
  }

  #addPreamble(): void {
    this.#add(this.#preamble);
    this.#preamble = [];
  }

  #add(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) {
      this.#held.push(chunk);
      this.#heldBytes += chunk.length;
    }
  }

  /** The whole body was written; the exchange ends the response. */
  finish(): void {
    const exchange = this.#exchange;
    if (exchange.response.headersSent) return;
    if (exchange.request.method === 'HEAD') return this.#send({});
    clearImmediate(this.#flushSoon);
    this.#writeHead({ 'Content-Length': this.#heldBytes });
    const last = this.#held.pop();
    for (const chunk of this.#held) exchange.response.write(chunk);
    if (last !== undefined) exchange.writeLast(last);
    this.#held = [];
  }

  /** Sends what is held back: a failure is not to swallow what was said before it. */
  [Symbol.dispose](): void {
    if (this.#held.length > 0) this.#send({});
  }

  #send(headers: OutgoingHttpHeaders): void {
    const { response } = this.#exchange;
    clearImmediate(this.#flushSoon);
    if (!response.headersSent) this.#writeHead(headers);
    for (const chunk of this.#held) response.write(chunk);
    this.#held = [];
    this.#heldBytes = 0;
  }

  #writeHead(headers: OutgoingHttpHeaders): void {
    this.#exchange.writeHead(200, { ...noCacheHeaders, 'Content-Type': this.#contentType, ...headers });
  }
}
