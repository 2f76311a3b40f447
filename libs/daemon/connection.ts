import type { Socket } from 'node:net';
import { anonymous } from '#accounts';
import {
  eventOf,
  PackhorseError,
  plainAddress,
  readChunks,
  toPackhorseError,
  type ByteSink,
  type Clock,
  type Log,
  type Settings,
} from '#base';
import { cleanRepositoryPath, type GitGateway, type GitSession } from '#gateway';
import { encodePktLine, parseGitProtocol, PktReader } from '#wire';
import type { InterpolatedPath } from './interpolated-path.ts';
import { parseDaemonRequest, type DaemonRequest } from './request.ts';

export interface ConnectionOptions {
  readonly git: GitGateway;
  /** Say which of the reasons it was that a request is refused for, instead of one sentence for all. */
  readonly informativeErrors: boolean;
  /** Leads the paths of clients that name a host to the repositories of that host. */
  readonly interpolatedPath?: InterpolatedPath;
  readonly settings: Settings['daemon'];
  readonly log: Log;
  readonly clock: Clock;
}

/** One connection of the git:// door, which carries exactly one request. Nothing that goes wrong on it reaches another. */
export class DaemonConnection {
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #remoteAddress: string;
  readonly #options: ConnectionOptions;
  readonly #abort = new AbortController();
  #hasRequest = false;
  /** The service has told the client what there was to tell. */
  #hasAnswer = false;

  constructor(socket: Socket, remoteAddress: string, options: ConnectionOptions) {
    this.#socket = socket;
    this.#remoteAddress = remoteAddress;
    this.#options = options;
    // What fails on a socket ends in `close`; without a listener it would end the process.
    socket.on('error', () => undefined);
    socket.setTimeout(options.settings.stallTimeoutMs, () =>
      this.abort(new PackhorseError('deadline_exceeded', 'Nothing was sent or taken for too long.')),
    );
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.abort(new PackhorseError('cancelled', 'The client went away.'));
        resolve();
      });
    });
    void this.#run();
  }

  /** Lets a request that has begun finish; a client that has not asked for anything yet is sent away. */
  drain(): void {
    if (!this.#hasRequest) this.#socket.destroy();
  }

  /** Ends what runs, telling the client why where that is still possible. */
  abort(reason: PackhorseError): void {
    this.#abort.abort(reason);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** From the request line to the last byte; never rejects. */
  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const startedMs = clock.nowMs();
    let request: DaemonRequest | undefined;
    let failure: PackhorseError | undefined;
    try {
      const reader = new PktReader(readChunks(this.#socket, this.#abort.signal));
      request = await this.#readRequest(reader);
      await this.#serve(request, reader);
    } catch (thrown) {
      const { signal } = this.#abort;
      failure = toPackhorseError(signal.aborted ? signal.reason : thrown);
      await this.#tell(failure.code === 'internal' ? 'Something went wrong on the server.' : failure.message);
    }
    await this.#finish();
    if (failure?.code === 'internal' || failure?.code === 'data_loss') {
      log.error('a git:// request failed', { path: request?.path, error: failure });
    }
    log.info('git request', {
      service: request?.service,
      path: request?.path,
      remoteAddress: this.#remoteAddress,
      durationMs: clock.nowMs() - startedMs,
      bytesIn: this.#socket.bytesRead,
      bytesOut: this.#socket.bytesWritten,
      ...(failure !== undefined && { code: failure.code }),
    });
  }

  async #readRequest(reader: PktReader): Promise<DaemonRequest> {
    const { clock, settings } = this.#options;
    const cancel = clock.after(settings.requestTimeoutMs, () =>
      this.abort(new PackhorseError('deadline_exceeded', 'The request did not arrive in time.')),
    );
    try {
      const line = await reader.read();
      if (line?.kind !== 'data')
        throw new PackhorseError('invalid_argument', 'This is no request for a Git service.');
      this.#hasRequest = true;
      return parseDaemonRequest(line.payload);
    } finally {
      cancel();
    }
  }

  async #serve(request: DaemonRequest, reader: PktReader): Promise<void> {
    await using session = await this.#open(request);
    const conversation = {
      input: reader.rest(),
      output: this.#output(),
      version: parseGitProtocol(request.gitProtocol),
      stateless: false,
      signal: this.#abort.signal,
    };
    try {
      await session.advertise(conversation);
      await session.serve(conversation);
    } catch (thrown) {
      this.#hasAnswer = true;
      throw thrown;
    }
  }

  /** Throws what the client is to be told, in the words of git daemon (daemon.c, daemon_error). */
  async #open(request: DaemonRequest): Promise<GitSession> {
    const { service, path: named } = request;
    const path = this.#pathOf(request);
    try {
      if (path === undefined) throw new PackhorseError('not_found', 'no such repository');
      const remoteAddress = this.#remoteAddress;
      return await this.#options.git.open({
        identity: anonymous,
        path,
        service,
        transport: 'git',
        remoteAddress,
      });
    } catch (thrown) {
      const error = toPackhorseError(thrown);
      if (error.code !== 'not_found' && error.code !== 'permission_denied') throw error;
      const detail = error.code === 'not_found' ? 'no such repository' : error.message;
      const reason = this.#options.informativeErrors ? detail : 'access denied or repository not exported';
      throw new PackhorseError(error.code, `${reason}: ${printable(named)}`, { cause: error });
    }
  }

  /** Home directories are nobody's business here, and other paths start at the root. */
  #pathOf({ path, host }: DaemonRequest): string | undefined {
    if (!path.startsWith('/')) return undefined;
    const { interpolatedPath } = this.#options;
    const localAddress = plainAddress(this.#socket.localAddress);
    const isLed = interpolatedPath !== undefined && host !== undefined;
    return cleanRepositoryPath(isLed ? interpolatedPath.expand({ path, host, localAddress }) : path);
  }

  #output(): ByteSink {
    const { signal } = this.#abort;
    return {
      write: async (...chunks) => {
        if (signal.aborted) throw toPackhorseError(signal.reason);
        this.#socket.cork();
        for (const chunk of chunks) this.#socket.write(chunk);
        this.#socket.uncork();
        if (this.#socket.writableNeedDrain) await eventOf(this.#socket, ['drain'], signal);
      },
    };
  }

  async #tell(message: string): Promise<void> {
    if (this.#hasAnswer || !this.#socket.writable) return;
    this.#socket.write(encodePktLine(`ERR ${message}`));
  }

  /**
   * Closes our side, and takes what the client still sends for a while: a connection that is reset
   * while the client sends would lose the answer on its way.
   */
  async #finish(): Promise<void> {
    const { clock, settings } = this.#options;
    const socket = this.#socket;
    if (this.#abort.signal.aborted) {
      socket.destroySoon();
      return;
    }
    const cancel = clock.after(settings.lingerTimeoutMs, () => socket.destroy());
    socket.end();
    socket.resume();
    await this.closed;
    cancel();
  }
}

/** A path as it may be shown on a terminal. */
function printable(path: string): string {
  // oxlint-disable-next-line eslint/no-control-regex -- control characters are what is looked for
  return path.slice(0, 1024).replaceAll(/[\u0000-\u001f\u007f]/g, '?');
}
