import { Worker } from 'node:worker_threads';
import { abortError, type Clock, type ObjectFormat, PackhorseError } from '#base';
import type { HashTask, HashAnswer } from './hash-worker.ts';

/** A part of an open file. The descriptor must stay open until the hash is there. */
export interface FileSegment {
  readonly fd: number;
  readonly start: number;
  readonly end: number;
}

export interface HashJob {
  readonly algorithm: ObjectFormat;
  /** What goes before the files. */
  readonly prefix: Uint8Array;
  readonly segments: readonly FileSegment[];
  /** What comes behind them. */
  readonly suffix: Uint8Array;
}

interface Running {
  readonly job: HashJob;
  readonly signal: AbortSignal;
  /** Set to 1 to have the thread give up. */
  readonly cancelled: Int32Array<SharedArrayBuffer>;
  readonly resolve: (digest: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  running: Running | undefined;
  cancelStop: () => void;
}

/** Threads that hash at once; more jobs wait for their turn. */
const maxThreads = 2;
/** How long a thread waits for its next job: to start one takes as long as to hash a hundred megabytes. */
const idleMs = 10 * 60 * 1000;

/**
 * Hashes parts of files in threads of their own: on the event loop hundreds of megabytes would hold up
 * everybody else, and this way a pack is sent while its checksum is computed.
 */
export class HashThreads {
  readonly #clock: Clock;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Running[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts a thread, unless there is one, because there is soon going to be a job. */
  warm(): void {
    if (this.#threads.size === 0) this.#rest(this.#start());
  }

  /** The hash of `prefix`, the files, and `suffix`. Throws what the signal is aborted with, and what reading fails with. */
  async hash(job: HashJob, signal: AbortSignal): Promise<Buffer> {
    if (signal.aborted) throw abortError(signal);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const cancelled = new Int32Array(new SharedArrayBuffer(4));
    const running = { job, signal, cancelled, resolve, reject };
    const onAbort = (): void => this.#cancel(running);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiting.push(running);
    this.#next();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends all threads; what they are at and what waits for them is rejected. */
  async close(): Promise<void> {
    for (const { reject } of this.#waiting.splice(0)) reject(stopped());
    await Promise.all([...this.#threads].map((thread) => this.#stop(thread)));
  }

  #cancel(running: Running): void {
    const at = this.#waiting.indexOf(running);
    // One that is at work says when it has stopped, and until then needs its files.
    if (at < 0) return void Atomics.store(running.cancelled, 0, 1);
    this.#waiting.splice(at, 1);
    running.reject(abortError(running.signal));
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const idle = [...this.#threads].find(({ running }) => running === undefined);
      const thread = idle ?? (this.#threads.size < maxThreads ? this.#start() : undefined);
      const running = thread && this.#waiting.shift();
      if (thread === undefined || running === undefined) return;
      thread.cancelStop();
      thread.running = running;
      thread.worker.ref();
      const { job, cancelled } = running;
      const task: HashTask = { ...job, cancelled };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.worker.postMessage(task);
    }
  }

  #start(): Thread {
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url));
    const thread: Thread = { worker, running: undefined, cancelStop: () => undefined };
    this.#threads.add(thread);
    let failure: unknown;
    worker.on('message', (answer: HashAnswer) => this.#answer(thread, answer));
    worker.on('error', (error) => (failure = error));
    worker.once('exit', () => {
      this.#threads.delete(thread);
      thread.running?.reject(failure ?? stopped());
      this.#next();
    });
    return thread;
  }

  #answer(thread: Thread, { digest, error }: HashAnswer): void {
    const { running } = thread;
    thread.running = undefined;
    if (digest !== undefined) running?.resolve(Buffer.from(digest));
    else running?.reject(error ?? abortError(running.signal));
    this.#next();
    if (thread.running === undefined) this.#rest(thread);
  }

  /** A thread without a job holds up nobody's exit. */
  #rest(thread: Thread): void {
    thread.worker.unref();
    thread.cancelStop = this.#clock.after(idleMs, () => void this.#stop(thread));
  }

  async #stop(thread: Thread): Promise<void> {
    // From now on it gets no job.
    this.#threads.delete(thread);
    thread.cancelStop();
    await thread.worker.terminate();
  }
}

const stopped = (): PackhorseError => new PackhorseError('unavailable', 'The server is shutting down.');
