import { type ByteStream, PackhorseError } from '#base';
import { gitEnvironment } from './environment.ts';
import { type GitExit, GitProcess } from './git-process.ts';

/** One git command on one repository. Arguments are passed as they are: no shell ever sees them. */
export interface GitCommand {
  /** Absolute path of the repository directory. */
  readonly gitDir: string;
  /** Where it runs, for commands that work on files; the root directory when absent. */
  readonly cwd?: string;
  /** Text of a user must come after `--end-of-options`. */
  readonly args: readonly string[];
  /** Further configuration for this command, over the repository's own. */
  readonly config?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Variables with which git finds the config of the system and of the user; absent: it reads neither. */
  readonly configFiles?: Readonly<Record<string, string>> | undefined;
  /** Lets git run the repository's hooks, which are code of whoever made it. */
  readonly runHooks?: boolean;
  readonly onStderr?: ((bytes: Buffer) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  /** What a process may have that reads what a stranger sent; absent or 0 is no limit. */
  readonly maxMemoryBytes?: number;
  /** Gives way to everything else on the machine. */
  readonly background?: boolean;
}

export interface GitStreams {
  readonly stdin: 'pipe' | 'ignore';
  readonly stdout: 'pipe' | 'ignore';
}

export interface GitRunCommand extends GitCommand {
  /** Written to standard input; nothing when absent. */
  readonly input?: ByteStream;
  /** Exit codes that are an answer and no failure; 0 when absent. */
  readonly okCodes?: readonly number[];
  readonly maxOutputBytes?: number;
}

export interface GitResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const defaultMaxOutputBytes = 64 * 1024 * 1024;

/** Starts git processes in a clean environment. One per node. */
export class GitRunner {
  readonly #binary: string;
  readonly #timeoutMs: number;
  #execPath: Promise<string> | undefined;

  constructor(options: { readonly timeoutMs: number; readonly binary?: string }) {
    this.#binary = options.binary ?? 'git';
    this.#timeoutMs = options.timeoutMs;
  }

  /** The directory of git's own programs, which hooks find on their PATH. */
  execPath(): Promise<string> {
    this.#execPath ??= this.run({ gitDir: '/', args: ['--exec-path'] }).then(({ stdout }) =>
      stdout.toString().trim(),
    );
    return this.#execPath;
  }

  /** Starts a process whose streams the caller handles. Dispose it. */
  start(command: GitCommand, streams: GitStreams): GitProcess {
    return new GitProcess({
      binary: this.#binary,
      args: command.args,
      environment: gitEnvironment(command.gitDir, command.config, command.environment, command),
      cwd: command.cwd,
      stdin: streams.stdin,
      stdout: streams.stdout,
      onStderr: command.onStderr,
      signal: command.signal,
      timeoutMs: command.timeoutMs ?? this.#timeoutMs,
      maxMemoryBytes: command.maxMemoryBytes,
      background: command.background,
    });
  }

  /**
   * Runs a command whose output is small. Throws `resource_exhausted` past `maxOutputBytes`,
   * `cancelled`, `deadline_exceeded`, or `internal` for an exit code that is not among `okCodes`.
   */
  async run(command: GitRunCommand): Promise<GitResult> {
    const stdin = command.input === undefined ? 'ignore' : 'pipe';
    await using running = this.start(command, { stdin, stdout: 'pipe' });
    const maxBytes = command.maxOutputBytes ?? defaultMaxOutputBytes;
    const [stdout] = await Promise.all([
      readAll(running, maxBytes, command.args[0]),
      command.input === undefined ? undefined : running.feed(command.input),
    ]);
    const exit = await running.exit;
    const okCodes = command.okCodes ?? [0];
    if (exit.code === undefined || !okCodes.includes(exit.code)) throw gitFailure(command.args[0], exit);
    return { code: exit.code, stdout, stderr: exit.stderr };
  }
}

/** The error for a git process that did not do what it was started for. */
export function gitFailure(what: string | undefined, exit: GitExit): PackhorseError {
  if (exit.stopped === 'aborted' || exit.stopped === 'disposed') {
    return new PackhorseError('cancelled', 'The operation was cancelled.');
  }
  if (exit.stopped === 'timeout') {
    return new PackhorseError('deadline_exceeded', 'The operation took longer than the server allows.');
  }
  if (exit.signal === 'SIGXFSZ' || diskFullText.test(exit.stderr)) return diskFull();
  return new PackhorseError('internal', 'A git process on the server failed.', {
    metadata: { command: what, exitCode: exit.code, signal: exit.signal, stderr: exit.stderr.slice(-1000) },
  });
}

const diskFullText = /No space left on device|Disk quota exceeded|File too large/;

export function diskFull(cause?: unknown): PackhorseError {
  return new PackhorseError('resource_exhausted', "The server's disk is full.", { cause });
}

async function readAll(running: GitProcess, maxBytes: number, what: string | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  return await new Promise((resolve, reject) => {
    running.stdout.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      running.stop('disposed');
      reject(
        new PackhorseError('resource_exhausted', 'The answer is larger than the server can handle.', {
          metadata: { command: what, maxBytes },
        }),
      );
    });
    running.exit.then(() => resolve(Buffer.concat(chunks, sizeBytes)), reject);
  });
}
