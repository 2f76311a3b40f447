import type { Clock, Oid } from '#base';
import type { CommitNode } from '#wire';
import type { ObjectReader } from './object-reader.ts';
import type { ObjectHeader, RawObject } from './objects/raw.ts';
import type { RepositoryObjects } from './objects/repository-objects.ts';

export interface SharedHandleOptions {
  readonly open: () => Promise<RepositoryObjects>;
  readonly close: (objects: RepositoryObjects) => Promise<void>;
  readonly clock: Clock;
  /** How long it stays open unused. */
  readonly idleMs: number;
}

/**
 * The objects as refs, negotiation and policy read them: many small questions at once, which must
 * not wait for anybody's turn. One handle, opened when it is needed and closed when it rests.
 */
export class SharedHandle implements ObjectReader {
  readonly #options: SharedHandleOptions;
  #opening: Promise<RepositoryObjects> | undefined;
  #users = 0;
  #usedMs = 0;
  #cancelCheck: (() => void) | undefined;

  constructor(options: SharedHandleOptions) {
    this.#options = options;
  }

  header(oid: Oid): Promise<ObjectHeader | undefined> {
    return this.#use((objects) => objects.header(oid));
  }

  read(oid: Oid): Promise<RawObject | undefined> {
    return this.#use((objects) => objects.read(oid));
  }

  existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    return this.#use((objects) => objects.existing(oids));
  }

  commitNode(oid: Oid): Promise<CommitNode | undefined> {
    return this.#use((objects) => objects.commitNode(oid));
  }

  peelTag(oid: Oid): Promise<Oid | undefined> {
    return this.#use((objects) => objects.peelTag(oid));
  }

  /** Closes the handle unless somebody uses it; the next use opens another. */
  async close(): Promise<void> {
    const opening = this.#opening;
    if (opening === undefined || this.#users > 0) return;
    this.#opening = undefined;
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
    await this.#options.close(await opening);
  }

  async #use<Result>(work: (objects: RepositoryObjects) => Promise<Result>): Promise<Result> {
    this.#users += 1;
    try {
      this.#opening ??= this.#open();
      return await work(await this.#opening);
    } finally {
      this.#users -= 1;
      this.#usedMs = this.#options.clock.nowMs();
      if (this.#users === 0) this.#checkLater(this.#options.idleMs);
    }
  }

  async #open(): Promise<RepositoryObjects> {
    try {
      return await this.#options.open();
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  /** One timer for any number of uses: it looks again when there were some meanwhile. */
  #checkLater(delayMs: number): void {
    const { clock, idleMs } = this.#options;
    this.#cancelCheck ??= clock.after(delayMs, () => {
      this.#cancelCheck = undefined;
      const restedMs = clock.nowMs() - this.#usedMs;
      if (this.#users > 0) return;
      if (restedMs < idleMs) this.#checkLater(idleMs - restedMs);
      else void this.close();
    });
  }
}
