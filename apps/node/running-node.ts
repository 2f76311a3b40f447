import { setTimeout as delay } from 'node:timers/promises';
import { PackhorseError } from '#base';

/** Where the open doors of a node are; one that is closed has none. */
export interface DoorUrls {
  readonly http: string;
  readonly ssh?: string;
  readonly git?: string;
}

/** A node whose doors are open. Dispose it to drain: running sessions finish, bounded, then everything is closed. */
export class RunningNode implements AsyncDisposable {
  readonly urls: DoorUrls;
  readonly #parts: AsyncDisposableStack;

  constructor(urls: DoorUrls, parts: AsyncDisposableStack) {
    this.urls = urls;
    this.#parts = parts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** What finishes its work within a time when the node stops. */
interface Drainable {
  drain(timeoutMs: number): Promise<void>;
}

/** What a server of a door can do. */
interface Door extends Drainable {
  listen(host: string, port: number): Promise<number>;
}

const listenProblems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program uses this port. Stop it, or choose another one (0 picks a free one).',
  EADDRNOTAVAIL: 'this machine does not have that address.',
  EACCES: 'this user may not use that port.',
  ENOTFOUND: 'the host name is not known.',
};

/** The open doors, which are drained together: each may use the whole time. */
export class Doors implements AsyncDisposable {
  readonly #drainTimeoutMs: number;
  readonly #open: Drainable[] = [];

  constructor(drainTimeoutMs: number) {
    this.#drainTimeoutMs = drainTimeoutMs;
  }

  /** Listens; returns the port. Throws `failed_precondition` when the address cannot be used. */
  async open(door: Door, host: string, port: number): Promise<number> {
    try {
      const opened = await door.listen(host, port);
      this.#open.push(door);
      return opened;
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
      const reason = listenProblems[code ?? ''];
      if (reason === undefined) throw cause;
      throw new PackhorseError(
        'failed_precondition',
        `The server cannot listen on ${authority(host, port)}: ${reason}`,
        { cause },
      );
    }
  }

  /** Drains `work` together with the doors; past the time it is left behind. */
  finish(work: { drain(): Promise<void> }): void {
    this.#open.push({
      drain: async (timeoutMs) => {
        await Promise.race([work.drain(), delay(timeoutMs, undefined, { ref: false })]);
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((door) => door.drain(this.#drainTimeoutMs)));
  }
}

/** `host:port` as it goes into a URL; addresses that mean "everywhere" are named as loopback. */
export function authority(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}
