import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { atEnd } from './cleanup.ts';

export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment; absent: this process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** The process group is killed after this long, and the call fails. */
  readonly timeoutMs?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunResult extends Exit {
  readonly stdout: Buffer;
  readonly stderr: string;
}

const defaultTimeoutMs = 120_000;

/** Signals every process of a group; one that is gone is fine. */
function signalGroup(groupId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-groupId, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * A child in a process group of its own, so that stopping it also stops what it started, and
 * never anything else. It is killed when the test process ends.
 */
function spawnGroup(command: string, args: readonly string[], options: RunOptions): ChildProcess {
  const child = spawn(command, [...args], {
    cwd: options.cwd,
    env: options.env === undefined ? process.env : { ...options.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid !== undefined) {
    const forget = atEnd(() => signalGroup(pid, 'SIGKILL'));
    child.once('exit', forget);
  }
  // A child that ends without reading its input is no error of the test.
  child.stdin?.on('error', () => undefined);
  return child;
}

async function feed(child: ChildProcess, input: RunOptions['input']): Promise<void> {
  if (child.stdin === null) return;
  if (input === undefined || typeof input === 'string' || input instanceof Uint8Array) child.stdin.end(input);
  else await pipeline(Readable.from(input, { objectMode: false }), child.stdin).catch(() => undefined);
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

/** Runs a program to its end and returns what it wrote, whatever its exit code. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = spawnGroup(command, args, options);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  }, timeoutMs);
  try {
    const [exit] = await Promise.all([exitOf(child), feed(child, options.input)]);
    const errorText = Buffer.concat(stderr).toString();
    if (timedOut) {
      throw new Error(`${command} ${args.join(' ')} took more than ${timeoutMs} ms:\n${errorText}`);
    }
    return { ...exit, stdout: Buffer.concat(stdout), stderr: errorText };
  } finally {
    clearTimeout(timer);
  }
}

/** Like `run`, but fails with what the program said when its exit code is not 0. Returns its standard output. */
export async function runChecked(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} ended with ${result.signal ?? result.code}:\n${result.stderr}${result.stdout.toString()}`,
    );
  }
  return result.stdout.toString();
}

/** A program that keeps running while the test talks to it. */
export class RunningProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly #name: string;
  #stdout = '';
  #stderr = '';

  constructor(name: string, child: ChildProcess, options: { readonly binary?: boolean } = {}) {
    if (child.pid === undefined) throw new Error(`${name} could not be started`);
    this.#name = name;
    this.child = child;
    this.pid = child.pid;
    this.exited = exitOf(child);
    this.exited.catch(() => undefined);
    if (options.binary !== true) {
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    }
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
  }

  /** Everything written to standard output so far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Everything written to standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until the output matches `pattern`. Fails when the process ends or `timeoutMs` pass before it does. */
  async waitFor(
    pattern: RegExp,
    options: { readonly stream?: 'stdout' | 'stderr'; readonly timeoutMs?: number } = {},
  ): Promise<RegExpMatchArray> {
    const stream = options.stream ?? 'stdout';
    const deadline = AbortSignal.timeout(options.timeoutMs ?? defaultTimeoutMs);
    const ended = this.exited.then((exit) => exit.signal ?? `code ${exit.code}`);
    for (;;) {
      const match = (stream === 'stdout' ? this.#stdout : this.#stderr).match(pattern);
      if (match !== null) return match;
      const source = this.child[stream];
      if (source === null) throw new Error(`${this.#name} has no ${stream}`);
      const outcome = await Promise.race([
        once(source, 'data', { signal: deadline }).then(
          () => undefined,
          () => 'silence',
        ),
        ended,
      ]);
      if (outcome === undefined) continue;
      // What was written just before the end may still be in the pipe when `exit` is seen, not after `close`.
      const last = (stream === 'stdout' ? this.#stdout : this.#stderr).match(pattern);
      if (last !== null) return last;
      throw new Error(
        `${this.#name} ended with ${outcome} before it wrote ${pattern}:\n${this.#stderr}${this.#stdout}`,
      );
    }
  }

  /** Sends `signal` to the process itself and waits for its end; kills its whole group after `timeoutMs`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 40_000): Promise<Exit> {
    const timer = setTimeout(() => signalGroup(this.pid, 'SIGKILL'), timeoutMs);
    try {
      this.child.kill(signal);
      return await this.exited;
    } finally {
      clearTimeout(timer);
      signalGroup(this.pid, 'SIGKILL');
    }
  }

  /** kill -9 of the process alone; what it started notices by itself. */
  async kill9(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  /** kill -9 of the process and everything in its group. */
  async killGroup(): Promise<void> {
    signalGroup(this.pid, 'SIGKILL');
    await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/**
 * Starts a program in its own process group; its input stays open and is at `child.stdin`.
 * With `binary`, standard output is left to the caller, at `child.stdout`.
 */
export function startProcess(
  command: string,
  args: readonly string[],
  options: Omit<RunOptions, 'input' | 'timeoutMs'> & { readonly binary?: boolean } = {},
): RunningProcess {
  return new RunningProcess(command, spawnGroup(command, args, options), options);
}
