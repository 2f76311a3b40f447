import type { ServerChannel } from 'ssh2';
import type { Identity } from '#accounts';
import {
  PackhorseError,
  readChunks,
  toPackhorseError,
  type ByteSink,
  type Clock,
  type Log,
  type Settings,
} from '#base';
import type { GitGateway } from '#gateway';
import { parseGitProtocol } from '#wire';
import type { SshCommand } from './command.ts';
import { StallWatch } from './stall-watch.ts';
import type { Transport } from './transport.ts';

export interface CommandContext {
  readonly git: GitGateway;
  readonly settings: Settings['ssh'];
  readonly clock: Clock;
  readonly log: Log;
  readonly identity: Identity;
  readonly remoteAddress: string;
  readonly transport: Transport;
  /** Failures are told in the words of git's own programs. */
  readonly saysAsGit: boolean;
}

/** How git's own programs end when they fail. */
const failureStatus = 128;

/** One git command on a channel, from its parsed command line to its exit status. */
export class GitCommand {
  readonly #command: Extract<SshCommand, { kind: 'git' }>;
  readonly #channel: ServerChannel;
  readonly #context: CommandContext;
  readonly #abort = new AbortController();
  #bytesIn = 0;
  #bytesOut = 0;
  #writes = 0;
  #scratch: Uint8Array = new Uint8Array(0);

  constructor(
    command: Extract<SshCommand, { kind: 'git' }>,
    channel: ServerChannel,
    context: CommandContext,
  ) {
    this.#command = command;
    this.#channel = channel;
    this.#context = context;
  }

  /** Ends it early: the client is gone, it stalls, or the server shuts down. */
  abort(reason: PackhorseError): void {
    this.#abort.abort(reason);
  }

  /** Runs to the end; never rejects. `gitProtocol` is the client's `GIT_PROTOCOL`. */
  async run(gitProtocol: string | undefined): Promise<void> {
    const { clock, settings } = this.#context;
    const startedMs = clock.nowMs();
    const stall = new StallWatch(clock, settings.stallTimeoutMs, () =>
      this.abort(new PackhorseError('deadline_exceeded', 'Nothing was sent or taken for too long.')),
    );
    let failure: PackhorseError | undefined;
    try {
      await this.#converse(gitProtocol, stall);
    } catch (thrown) {
      failure = this.#abort.signal.aborted
        ? toPackhorseError(this.#abort.signal.reason)
        : toPackhorseError(thrown);
    } finally {
      stall.stop();
    }
    const wasAborted = this.#abort.signal.aborted;
    // Wakes a read that was left pending.
    this.abort(new PackhorseError('cancelled', 'The conversation is over.'));
    endChannel(this.#channel, failure === undefined ? 0 : failureStatus, failure && this.#explain(failure));
    // A write that the client does not take would hold up the orderly end.
    if (wasAborted) closeChannel(this.#channel);
    this.#record(clock.nowMs() - startedMs, failure);
  }

  #explain({ code, message }: PackhorseError): string {
    const { saysAsGit } = this.#context;
    if (saysAsGit && code === 'not_found')
      return refusal(`'${this.#command.named}' does not appear to be a git repository`, saysAsGit);
    return refusal(message, saysAsGit);
  }

  async #converse(gitProtocol: string | undefined, stall: StallWatch): Promise<void> {
    const { git, identity, remoteAddress } = this.#context;
    const { service, path } = this.#command;
    const { signal } = this.#abort;
    await using session = await git.open({ identity, path, service, transport: 'ssh', remoteAddress });
    const conversation = {
      input: this.#input(stall),
      output: this.#output(stall),
      version: parseGitProtocol(gitProtocol),
      stateless: false,
      signal,
    };
    await session.advertise(conversation);
    await session.serve(conversation);
  }

  async *#input(stall: StallWatch): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of readChunks(this.#channel, this.#abort.signal)) {
      this.#bytesIn += chunk.length;
      stall.moved();
      yield chunk;
    }
  }

  #output(stall: StallWatch): ByteSink {
    const write = async (...chunks: readonly Uint8Array[]): Promise<void> => {
      this.#writes += 1;
      try {
        const data = this.#joined(chunks);
        if (data.length === 0) return;
        await this.#context.transport.write(this.#channel, data, this.#abort.signal);
        this.#bytesOut += data.length;
        stall.moved();
      } finally {
        this.#writes -= 1;
      }
    };
    // The library has copied everything into its packets when a write is done.
    return { write, writeThrough: write };
  }

  /** In one piece, so that it fills packets: in memory that the next write uses again. */
  #joined(chunks: readonly Uint8Array[]): Uint8Array {
    const [first] = chunks;
    if (first !== undefined && chunks.length === 1) return first;
    // Another write is still under way, such as a keep-alive packet beside the data.
    if (this.#writes > 1) return Buffer.concat(chunks);
    const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (this.#scratch.length < sizeBytes) this.#scratch = Buffer.allocUnsafe(sizeBytes);
    let filled = 0;
    for (const chunk of chunks) {
      this.#scratch.set(chunk, filled);
      filled += chunk.length;
    }
    return this.#scratch.subarray(0, filled);
  }

  #record(durationMs: number, failure: PackhorseError | undefined): void {
    const { log } = this.#context;
    const { service, path } = this.#command;
    if (failure?.code === 'internal' || failure?.code === 'data_loss') {
      log.error('an ssh command failed', { service, path, error: failure });
    }
    log.info('ssh command', {
      service,
      path,
      durationMs,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      ...(failure !== undefined && { code: failure.code }),
    });
  }
}

/** A line for standard error: what packhorse says, or what git's own programs would (usage.c). */
export function refusal(message: string, saysAsGit: boolean): string {
  return `${saysAsGit ? 'fatal' : 'packhorse'}: ${message}\n`;
}

/** Says why on standard error, if there is a reason, and ends the channel with an exit status (RFC 4254, 6.10). */
export function endChannel(channel: ServerChannel, status: number, message?: string): void {
  ignoringLostConnection(() => {
    if (message !== undefined) channel.stderr.write(message);
    channel.exit(status);
    channel.end();
    // What the client still sends is of no use any more, but would fill the channel.
    channel.resume();
  });
}

function closeChannel(channel: ServerChannel): void {
  ignoringLostConnection(() => channel.close());
}

/** On a connection that is gone the library throws, and nobody is left who would want to know. */
export function ignoringLostConnection(act: () => void): void {
  try {
    act();
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
  }
}
