import { headers, type JetStreamClient, type KV, type KvEntry, type NatsConnection, NatsError } from 'nats';
import { type Log, PackhorseError, type Settings } from '#base';
import type { LeaseEntry, LeaseStore, LeaseWatcher } from './lease-store.ts';

const bucket = 'packhorse-nodes';
const stream = `KV_${bucket}`;

/** Numbers of JetStream's API errors (nats-server, server/errors.json). */
const wrongLastSequence = 10_071;

/**
 * Leases in a key-value bucket of NATS JetStream, which is made where it is missing. Reads are
 * answered by the leader of its servers, never by one that may be behind.
 */
export class NatsLeaseStore implements LeaseStore {
  readonly #connection: NatsConnection;
  readonly #settings: Settings['membership'];
  readonly #log: Log;
  readonly #js: JetStreamClient;
  #bucket: Promise<KV> | undefined;

  constructor(connection: NatsConnection, settings: Settings['membership'], log: Log) {
    this.#connection = connection;
    this.#settings = settings;
    this.#log = log;
    this.#js = connection.jetstream({ timeout: settings.storeTimeoutMs });
  }

  async read(key: string): Promise<LeaseEntry> {
    return await this.#ask(async (kv) => {
      const entry = await kv.get(key);
      return entry === null ? { key, value: undefined, revision: 0 } : toEntry(entry);
    });
  }

  async write(key: string, value: string, revision: number): Promise<number | undefined> {
    return await this.#ask(async () => {
      const expected = headers();
      expected.set('Nats-Expected-Last-Subject-Sequence', String(revision));
      try {
        const answer = await this.#js.publish(`$KV.${bucket}.${key}`, value, { headers: expected });
        return answer.seq;
      } catch (error) {
        if (error instanceof NatsError && error.api_error?.err_code === wrongLastSequence) return undefined;
        throw error;
      }
    });
  }

  async remove(key: string, revision: number): Promise<void> {
    await this.#ask(async () => {
      const manager = await this.#js.jetstreamManager();
      // Goes up to a revision, so one that was written since stays.
      await manager.streams.purge(stream, { filter: `$KV.${bucket}.${key}`, seq: revision + 1 });
    });
  }

  async watch(watcher: LeaseWatcher): Promise<() => void> {
    const entries = await this.#ask(async (kv) => {
      // What is missing shows itself here: a watch of a bucket that is gone would be silent.
      await kv.status();
      return await kv.watch({ initializedFn: () => watcher.listed() });
    });
    watcher.restarted();
    void this.#follow(entries, watcher);
    return () => entries.stop();
  }

  async #follow(entries: AsyncIterable<KvEntry>, watcher: LeaseWatcher): Promise<void> {
    try {
      for await (const entry of entries) watcher.entry(toEntry(entry));
    } catch (error) {
      this.#log.debug('a watch of the lease store ended', { error });
    }
  }

  /** Asks, and where there is no bucket makes one for the next time. */
  async #ask<Answer>(question: (kv: KV) => Promise<Answer>): Promise<Answer> {
    try {
      this.#bucket ??= this.#open();
      return await question(await this.#bucket);
    } catch (cause) {
      this.#bucket = undefined;
      throw new PackhorseError('unavailable', 'The NATS server of the cluster does not answer.', { cause });
    }
  }

  async #open(): Promise<KV> {
    const { storeReplicas } = this.#settings;
    const isCluster = this.#connection.info?.cluster !== undefined;
    const replicas = storeReplicas === 0 ? (isCluster ? 3 : 1) : storeReplicas;
    return await this.#js.views.kv(bucket, { replicas, history: 1, allow_direct: false });
  }
}

function toEntry(entry: KvEntry): LeaseEntry {
  const value = entry.operation === 'PUT' ? entry.string() : undefined;
  return { key: entry.key, value, revision: entry.revision };
}
