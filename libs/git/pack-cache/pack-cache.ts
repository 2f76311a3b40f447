import { type Clock, type Log, PackhorseError, type Random, type Settings } from '#base';
import type { PackPart } from '#wire';
import type { Disk } from '../volume/disk.ts';
import { CacheDirectory, type StoredPack } from './cache-directory.ts';
import { GrowingPack } from './growing-pack.ts';
import type { PackKey } from './pack-key.ts';
import { readRange } from './read-file.ts';
import { RecentKeys } from './recent-keys.ts';

export interface PackCacheOptions {
  /** Absolute path of the directory; see `CacheDirectoryOptions.path`. */
  readonly path: string;
  readonly settings: Pick<
    Settings['git'],
    | 'packCacheBytes'
    | 'packCacheMaxEntryBytes'
    | 'packCacheMinFreeBytes'
    | 'packCacheAbandonMs'
    | 'packCacheWindowMs'
    | 'packCacheWindowEntries'
  >;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** One request for a pack, as the cache sees it. */
export interface CachedRequest {
  readonly key: PackKey;
  /** Whether the first request is worth keeping, or only one that comes again soon. */
  readonly admission: 'first' | 'second';
  /** The client wants to see how it goes. */
  readonly progress: boolean;
  /** Produces the pack; aborting the signal ends it. */
  readonly produce: (signal: AbortSignal) => AsyncIterable<PackPart>;
}

export type { StoredPack };

/** What the cache did so far and holds now. */
export interface PackCacheCounts {
  readonly hits: number;
  readonly misses: number;
  /** Requests that followed a pack which was being produced for another one. */
  readonly shared: number;
  /** Requests that were not worth keeping. */
  readonly bypassed: number;
  readonly hitBytes: number;
  readonly evictions: number;
  readonly entries: number;
  readonly sizeBytes: number;
}

interface Flight {
  readonly pack: GrowingPack;
  readonly abort: AbortController;
  /** Settles when the producer has ended and its file has a name or is gone. */
  landed: Promise<void>;
  cancelAbandon: () => void;
}

/**
 * Packs that were sent once, for whoever asks the same again. Identical requests that overlap share
 * one producer. It knows nothing of users: whoever asks must have been allowed to, before.
 */
export class PackCache {
  readonly #options: PackCacheOptions;
  readonly #recent: RecentKeys;
  readonly #flights = new Map<PackKey, Flight>();
  #opening: Promise<CacheDirectory | undefined> | undefined;
  #directory: CacheDirectory | undefined;
  #counts = { hits: 0, misses: 0, shared: 0, bypassed: 0, hitBytes: 0 };

  constructor(options: PackCacheOptions) {
    this.#options = options;
    const { packCacheWindowMs, packCacheWindowEntries } = options.settings;
    this.#recent = new RecentKeys(options.clock, packCacheWindowMs, packCacheWindowEntries);
  }

  get counts(): PackCacheCounts {
    return {
      ...this.#counts,
      evictions: this.#directory?.evictions ?? 0,
      entries: this.#directory?.count ?? 0,
      sizeBytes: this.#directory?.sizeBytes ?? 0,
    };
  }

  /** The pack that answers `request`, from wherever it comes soonest. */
  async *serve(request: CachedRequest, signal: AbortSignal): AsyncGenerator<PackPart, void, undefined> {
    yield* (await this.find(request, signal)) ?? (await this.#produce(request, signal));
  }

  /** The pack when it is stored, or when it is being produced for somebody else. */
  async find(request: CachedRequest, signal: AbortSignal): Promise<AsyncIterable<PackPart> | undefined> {
    const directory = await this.#open();
    const stored = await directory?.openEntry(request.key);
    if (stored !== undefined) return this.#serveStored(stored, request.progress);
    const joined = this.#flights.get(request.key);
    if (joined?.pack.isWhole !== true) return undefined;
    return this.#join(joined, request, signal);
  }

  async #produce(request: CachedRequest, signal: AbortSignal): Promise<AsyncIterable<PackPart>> {
    const directory = await this.#open();
    const { key } = request;
    const isAdmitted = request.admission === 'first' || this.#recent.sawBefore(key);
    const flight = this.#flights.get(key);
    if (flight?.pack.isWhole === true) return this.#join(flight, request, signal);
    if (directory === undefined || flight !== undefined || !isAdmitted) {
      this.#counts.bypassed += 1;
      return request.produce(signal);
    }
    this.#counts.misses += 1;
    return this.#follow(this.#start(directory, request), request, signal);
  }

  /** The whole pack as an open file, which the caller closes; undefined when it cannot be stored. */
  async hold(request: CachedRequest): Promise<StoredPack | undefined> {
    const directory = await this.#open();
    if (directory === undefined) return undefined;
    const stored = await directory.openEntry(request.key);
    if (stored !== undefined) return stored;
    const flight = this.#flights.get(request.key) ?? this.#start(directory, request);
    await flight.landed;
    return await directory.openEntry(request.key);
  }

  /** Removes every pack of a repository. */
  async forget(repositoryId: string): Promise<void> {
    await (await this.#open())?.forget(repositoryId);
  }

  /** Ends what is being produced and gives the directory back. */
  async close(): Promise<void> {
    const flights = [...this.#flights.values()];
    for (const flight of flights) {
      flight.abort.abort(new PackhorseError('unavailable', 'The server is shutting down.'));
    }
    await Promise.all(flights.map((flight) => flight.landed));
    (await this.#opening)?.[Symbol.dispose]();
    this.#opening = Promise.resolve(undefined);
  }

  async #open(): Promise<CacheDirectory | undefined> {
    if (this.#directory !== undefined && this.#opening !== undefined) return await this.#opening;
    this.#opening ??= this.#openDirectory();
    return await this.#opening;
  }

  async #openDirectory(): Promise<CacheDirectory | undefined> {
    const { settings, path, disk, clock, random, log } = this.#options;
    if (settings.packCacheBytes === 0) return undefined;
    try {
      this.#directory = await CacheDirectory.open({
        path,
        maxBytes: settings.packCacheBytes,
        maxEntryBytes: settings.packCacheMaxEntryBytes,
        minFreeBytes: settings.packCacheMinFreeBytes,
        disk,
        clock,
        random,
        log,
      });
      return this.#directory;
    } catch (error) {
      log.warn('Packs are not cached: the directory cannot be used.', { error, path });
      return undefined;
    }
  }

  async *#serveStored(
    { handle, sizeBytes }: StoredPack,
    progress: boolean,
  ): AsyncGenerator<PackPart, void, undefined> {
    this.#counts.hits += 1;
    this.#counts.hitBytes += sizeBytes;
    try {
      let isFirst = progress;
      for await (const part of readRange(handle, 0, sizeBytes)) {
        if (isFirst) yield storedProgress(part.bytes);
        isFirst = false;
        yield part;
      }
    } finally {
      await handle.close();
    }
  }

  /** Somebody else's producer; when that fails before a byte was sent, there is one more try. */
  async *#join(
    flight: Flight,
    request: CachedRequest,
    signal: AbortSignal,
  ): AsyncGenerator<PackPart, void, undefined> {
    this.#counts.shared += 1;
    let hasSent = false;
    try {
      for await (const part of this.#follow(flight, request, signal)) {
        hasSent ||= part.kind === 'data';
        yield part;
      }
      return;
    } catch (error) {
      if (hasSent || signal.aborted) throw error;
    }
    yield* request.produce(signal);
  }

  async *#follow(
    flight: Flight,
    request: CachedRequest,
    signal: AbortSignal,
  ): AsyncGenerator<PackPart, void, undefined> {
    flight.cancelAbandon();
    const parts = flight.pack.read(request.progress, signal);
    try {
      yield* parts;
    } finally {
      await parts.return();
      if (flight.pack.readers === 0) this.#abandon(flight);
    }
  }

  /**
   * Nobody is waiting any more. A client that lost its connection comes back soon, and a pack that
   * is nearly done is worth having, so the producer gets a little while before it is stopped.
   */
  #abandon(flight: Flight): void {
    const { clock, settings } = this.#options;
    flight.cancelAbandon();
    flight.cancelAbandon = clock.after(settings.packCacheAbandonMs, () => {
      flight.abort.abort(new PackhorseError('cancelled', 'Nobody waits for this pack any more.'));
    });
  }

  #start(directory: CacheDirectory, request: CachedRequest): Flight {
    const path = directory.growingPath(request.key);
    const reservation = directory.reservation();
    const pack = new GrowingPack(this.#options.disk, path, (byBytes) => reservation.grow(byBytes));
    const abort = new AbortController();
    const flight: Flight = { pack, abort, landed: Promise.resolve(), cancelAbandon: () => undefined };
    this.#flights.set(request.key, flight);
    const land = async (): Promise<void> => {
      await this.#fly(request, flight);
      reservation[Symbol.dispose]();
      await this.#keep(directory, request.key, pack, path);
      this.#flights.delete(request.key);
      // The last reader may take its time.
      void pack.close();
    };
    flight.landed = land();
    return flight;
  }

  /** From the first byte to the last. Never rejects: readers are told. */
  async #fly(request: CachedRequest, { pack, abort }: Flight): Promise<void> {
    try {
      await pack.open();
      for await (const part of request.produce(abort.signal)) {
        if (part.kind === 'data') await pack.append(part.bytes);
        else pack.progress(part.bytes);
      }
      await pack.complete();
    } catch (error) {
      pack.fail(error);
    }
  }

  /** Gives a pack that is whole its place. Never rejects: a cache may lose what it has. */
  async #keep(directory: CacheDirectory, key: PackKey, pack: GrowingPack, path: string): Promise<void> {
    try {
      if (pack.isStored) {
        await pack.sync();
        await directory.publish(key, path, pack.sizeBytes);
      } else await directory.discard(path);
    } catch (error) {
      this.#options.log.warn('A pack could not be kept.', { error });
      await directory.discard(path);
    }
  }
}

/** What git itself would print at its end, from the header of the pack (gitformat-pack). */
function storedProgress(first: Uint8Array): PackPart {
  const count = first.length >= 12 ? Buffer.from(first.subarray(8, 12)).readUInt32BE() : 0;
  return { kind: 'progress', bytes: Buffer.from(`Total ${count} (from the pack cache)\n`) };
}
