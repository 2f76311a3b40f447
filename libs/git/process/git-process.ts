import { type ChildProcess, spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { type ByteStream, PackhorseError, PassingBuffers } from '#base';
import { withMemoryLimit } from './memory-limit.ts';

/** How a git process ended. */
export interface GitExit {
  /** undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** Why we stopped it, when we did. */
  readonly stopped: 'aborted' | 'timeout' | 'disposed' | undefined;
  /** The last part of what it wrote to standard error. */
  readonly stderr: string;
}

/** What is run, and what its standard streams are connected to. */
export interface GitProcessOptions {
  readonly binary: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Where it runs; the root directory when absent. */
  readonly cwd?: string | undefined;
  readonly stdin: 'pipe' | 'ignore';
  readonly stdout: 'pipe' | 'ignore';
  /** Gets standard error as it arrives, besides the tail that is kept. */
  readonly onStderr?: ((bytes: Buffer) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** Absent or 0: as much as there is. */
  readonly maxMemoryBytes?: number | undefined;
  /** It gives way to everything else on the machine: lowest priority for processor and, with it, disk. */
  readonly background?: boolean | undefined;
}

const stderrTailBytes = 8 * 1024;
/** How long a process may take to end after SIGTERM before it gets SIGKILL. */
const killAfterMs = 2_000;

/**
 * One running git process. It leads its own process group, so that stopping it also stops what it
 * started, and it is always reaped: `exit` settles once all its streams are closed.
 * Dispose it when done: disposing stops what still runs and waits for the end.
 */
export class GitProcess implements AsyncDisposable {
  readonly exit: Promise<GitExit>;
  readonly #child: ChildProcess;
  readonly #stderrTail: Buffer[] = [];
  #stderrTailBytes = 0;
  #stopped: GitExit['stopped'];
  #ended = false;
  #killTimer: NodeJS.Timeout | undefined;
  readonly #onEnd = new Set<() => void>();

  constructor(options: GitProcessOptions) {
    const [program, args] = withMemoryLimit(options.binary, options.args, options.maxMemoryBytes ?? 0);
    this.#child = spawn(program, args, {
      cwd: options.cwd ?? '/',
      env: options.environment,
      detached: true,
      stdio: [options.stdin, options.stdout, 'pipe'],
    });
    if (options.background === true) yieldToOthers(this.#child.pid);
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#keepTail(bytes);
      options.onStderr?.(bytes);
    });
    // Writing to a process that has gone is answered through its exit, not through the stream.
    this.#child.stdin?.on('error', () => undefined);
    this.exit = this.#watch(options);
    // Whoever only disposes must not cause an unhandled rejection.
    this.exit.catch(() => undefined);
  }

  get stdin(): Writable {
    return present(this.#child.stdin);
  }

  get stdout(): Readable {
    return present(this.#child.stdout);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends SIGTERM to the process and everything it started, and SIGKILL if that does not end it. */
  stop(reason: Exclude<GitExit['stopped'], undefined>): void {
    if (this.#ended || this.#stopped !== undefined) return;
    this.#stopped = reason;
    this.#signalGroup('SIGTERM');
    this.#killTimer = setTimeout(() => this.#signalGroup('SIGKILL'), killAfterMs);
    // Whoever waits for output or room in the pipe is woken at once.
    this.#child.stdin?.destroy();
    this.#child.stdout?.destroy();
  }

  /**
   * Writes `input` to standard input at the pace at which the process reads, then closes it.
   * Returns early, without an error, when the process ends first: its exit says why. The rest of
   * `input` is then left to the caller.
   * Rethrows what `input` throws, after stopping the process.
   */
  async feed(input: ByteStream): Promise<void> {
    const { stdin } = this;
    const source = input[Symbol.asyncIterator]();
    const buffers = new PassingBuffers();
    try {
      for (;;) {
        const next = await this.#orEnd(source.next());
        if (next === undefined) break;
        if (next.done === true) {
          stdin.end();
          return;
        }
        if (!stdin.write(next.value)) await this.#drained(stdin);
        buffers.passed(next.value.length);
        if (stdin.destroyed) break;
      }
    } catch (error) {
      this.stop('aborted');
      throw error;
    }
  }

  /** What it writes to standard output, as fast as that is taken, until it ends or is stopped: `exit` says how. */
  async *output(): AsyncGenerator<Buffer, void, undefined> {
    const chunks = this.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    for (;;) {
      // A process that was stopped ends its stream with an error; its exit says it better.
      const next = await chunks.next().catch(() => undefined);
      if (next === undefined || next.done === true) return;
      yield next.value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop('disposed');
    await this.exit.catch(() => undefined);
  }

  #watch(options: GitProcessOptions): Promise<GitExit> {
    const { promise, resolve, reject } = Promise.withResolvers<GitExit>();
    const timer = setTimeout(() => this.stop('timeout'), options.timeoutMs);
    const onAbort = (): void => this.stop('aborted');
    const finish = (): void => {
      this.#ended = true;
      clearTimeout(timer);
      clearTimeout(this.#killTimer);
      options.signal?.removeEventListener('abort', onAbort);
      for (const wake of this.#onEnd) wake();
    };
    this.#child.once('error', (error: NodeJS.ErrnoException) => {
      if (this.#child.pid !== undefined) return;
      finish();
      const busy = error.code === 'EAGAIN' || error.code === 'ENOMEM' || error.code === 'EMFILE';
      reject(
        busy
          ? new PackhorseError('unavailable', 'The server is busy, try again in a moment.', { cause: error })
          : new PackhorseError('internal', 'The git program could not be started.', { cause: error }),
      );
    });
    this.#child.once('close', (code, signal) => {
      finish();
      const stderr = Buffer.concat(this.#stderrTail).toString();
      resolve({ code: code ?? undefined, signal: signal ?? undefined, stopped: this.#stopped, stderr });
    });
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.signal?.aborted === true) this.stop('aborted');
    return promise;
  }

  #keepTail(bytes: Buffer): void {
    this.#stderrTail.push(bytes);
    this.#stderrTailBytes += bytes.length;
    while (
      this.#stderrTail.length > 1 &&
      this.#stderrTailBytes - (this.#stderrTail[0]?.length ?? 0) >= stderrTailBytes
    ) {
      this.#stderrTailBytes -= this.#stderrTail.shift()?.length ?? 0;
    }
  }

  #signalGroup(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // ESRCH: the group has already gone.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** `promise`, or undefined when the process ends first. Leaves nothing behind on a long-lived promise. */
  #orEnd<Value>(promise: Promise<Value>): Promise<Value | undefined> {
    if (this.#ended) {
      promise.catch(() => undefined);
      return Promise.resolve(undefined);
    }
    return new Promise((resolve, reject) => {
      const wake = (): void => resolve(undefined);
      this.#onEnd.add(wake);
      promise.then(resolve, reject).finally(() => this.#onEnd.delete(wake));
    });
  }

  #drained(stdin: Writable): Promise<void> {
    if (this.#ended || stdin.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        stdin.off('drain', wake);
        stdin.off('close', wake);
        resolve();
      };
      stdin.once('drain', wake);
      stdin.once('close', wake);
    });
  }
}

/** Lowers a process right after it was started, before it has threads or children, which inherit it. */
function yieldToOthers(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already, or the machine does not let us.
  }
}

/** A stream that was asked for; there is none when the machine had no file descriptors left for it. */
function present<Stream>(stream: Stream | null | undefined): Stream {
  if (stream !== null && stream !== undefined) return stream;
  throw new PackhorseError('unavailable', 'The server is busy, try again in a moment.');
}
