import { type ConnectionOptions, connect, Events, type NatsConnection } from 'nats';
import { type Clock, type Log, PackhorseError, type Settings } from '#base';
import type { Bus, BusListener } from './bus.ts';
import type { LeaseStore } from './lease-store.ts';
import { NatsLeaseStore } from './nats-lease-store.ts';

export interface NatsLinkOptions {
  /** `nats://[user:password@|token@]host:port`, or `tls://...`; several with commas between. */
  readonly url: string;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly settings: Settings['membership'];
  readonly log: Log;
}

const subjectPrefix = 'packhorse';

/** The connection to NATS: once it has been made it is made again for ever, whatever happens to the servers. */
export class NatsLink implements AsyncDisposable {
  readonly leases: LeaseStore;
  readonly bus: Bus;
  readonly #connection: NatsConnection;
  readonly #listeners = new Set<BusListener>();

  private constructor(connection: NatsConnection, { settings, log }: NatsLinkOptions) {
    this.#connection = connection;
    this.leases = new NatsLeaseStore(connection, settings, log);
    this.bus = {
      publish: (topic, message) => this.#publish(topic, message),
      subscribe: (topic, listener) => this.#subscribe(topic, listener),
    };
    void this.#follow(log);
  }

  /** Throws `unavailable` when no server answers within `joinTimeoutMs`, `unauthenticated` when it refuses. */
  static async open(options: NatsLinkOptions): Promise<NatsLink> {
    const { clock, settings } = options;
    const server = connectionOptions(options);
    const untilMs = clock.monotonicMs() + settings.joinTimeoutMs;
    for (;;) {
      try {
        return new NatsLink(await connect(server), options);
      } catch (cause) {
        if (isRefusal(cause)) {
          throw new PackhorseError(
            'unauthenticated',
            'The NATS server refuses the credentials of this node: check the URL of --nats.',
            { cause },
          );
        }
        if (clock.monotonicMs() >= untilMs) {
          throw new PackhorseError('unavailable', 'No NATS server answers: check the URL of --nats.', {
            cause,
          });
        }
      }
      await new Promise<void>((resolve) => clock.after(settings.heartbeatMs / 2, resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }

  #publish(topic: string, message: string): void {
    if (!this.#connection.isClosed()) this.#connection.publish(`${subjectPrefix}.${topic}`, message);
  }

  #subscribe(topic: string, listener: BusListener): () => void {
    const subscription = this.#connection.subscribe(`${subjectPrefix}.${topic}`, {
      callback: (error, message) => {
        if (error === null) listener.message(message.string());
      },
    });
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      subscription.unsubscribe();
    };
  }

  async #follow(log: Log): Promise<void> {
    for await (const { type, data: server } of this.#connection.status()) {
      if (type === Events.Disconnect) log.warn('the connection to NATS is lost', { server });
      if (type !== Events.Reconnect) continue;
      log.info('the connection to NATS is back', { server });
      for (const listener of this.#listeners) listener.missed();
    }
  }
}

function connectionOptions({ url, nodeName, settings }: NatsLinkOptions): ConnectionOptions {
  const urls = url.split(',').map((text) => parseUrl(text.trim()));
  const [first] = urls;
  const [user, pass] = [first?.username, first?.password].map((text) => decodeURIComponent(text ?? ''));
  const credentials =
    user === '' ? {} : pass === '' ? { token: user ?? '' } : { user: user ?? '', pass: pass ?? '' };
  return {
    servers: urls.map(({ host }) => host),
    name: `packhorse ${nodeName}`,
    ...credentials,
    ...(first?.protocol === 'tls:' ? { tls: {} } : {}),
    timeout: settings.storeTimeoutMs,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: settings.heartbeatMs / 2,
    // A server that is frozen or cut off is noticed in less than the time of a lease.
    pingInterval: settings.heartbeatMs,
    maxPingOut: 2,
  };
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text.includes('://') ? text : `nats://${text}`);
    if (['nats:', 'tls:'].includes(url.protocol) && url.hostname !== '') return url;
  } catch {
    // Said below.
  }
  throw new PackhorseError(
    'invalid_argument',
    '--nats takes URLs such as nats://127.0.0.1:4222, several with commas between.',
  );
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error && 'isAuthError' in error && (error as { isAuthError(): boolean }).isAuthError()
  );
}
