import { type Clock, hasCode, type Oid } from '#base';
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
  /** The names of the packs that are there now. Without it packs go only when this server removes them. */
  readonly packs?: () => Promise<readonly string[]>;
}

interface Opened {
  readonly objects: Promise<RepositoryObjects>;
  /** The packs that were there when it was opened. */
  readonly packs: Promise<readonly string[]> | undefined;
  users: number;
}

/** How often it is looked whether packs are gone. */
const packCheckMs = 5_000;

/**
 * One handle on a repository's objects, shared by all who ask at the same time: opened when it is
 * needed, closed when it rests, and opened anew when packs have gone, for an open handle keeps the
 * files of deleted packs, and so their place on the disk.
 */
export class SharedHandle implements ObjectReader {
  readonly #options: SharedHandleOptions;
  #current: Opened | undefined;
  #usedMs = 0;
  #checkedMs = 0;
  #cancelCheck: (() => void) | undefined;

  constructor(options: SharedHandleOptions) {
    this.#options = options;
  }

  header(oid: Oid): Promise<ObjectHeader | undefined> {
    return this.#read((objects) => objects.header(oid));
  }

  read(oid: Oid): Promise<RawObject | undefined> {
    return this.#read((objects) => objects.read(oid));
  }

  existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    return this.#read((objects) => objects.existing(oids));
  }

  commitNode(oid: Oid): Promise<CommitNode | undefined> {
    return this.#read((objects) => objects.commitNode(oid));
  }

  peelTag(oid: Oid): Promise<Oid | undefined> {
    return this.#read((objects) => objects.peelTag(oid));
  }

  /** Does `work` with the open handle, which is not closed before it has ended. */
  async use<Result>(work: (objects: RepositoryObjects) => Promise<Result>): Promise<Result> {
    const opened = (this.#current ??= this.#open());
    opened.users += 1;
    try {
      return await work(await opened.objects);
    } catch (error) {
      // The handle may hold on to something that is no longer so on disk.
      if (hasCode(error, 'data_loss')) this.refresh();
      throw error;
    } finally {
      opened.users -= 1;
      this.#left(opened);
    }
  }

  /** Whoever asks from now on gets a fresh handle; the old one is closed when the last user has left. */
  refresh(): void {
    const opened = this.#current;
    this.#current = undefined;
    if (opened?.users === 0) this.#close(opened);
  }

  /** Closes the handle unless somebody uses it; the next use opens another. */
  async close(): Promise<void> {
    const opened = this.#current;
    if (opened === undefined || opened.users > 0) return;
    this.#current = undefined;
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
    await this.#options.close(await opened.objects);
  }

  /** A question that can be asked again, of a fresh handle. */
  async #read<Result>(work: (objects: RepositoryObjects) => Promise<Result>): Promise<Result> {
    try {
      return await this.use(work);
    } catch (error) {
      if (!hasCode(error, 'data_loss')) throw error;
      return await this.use(work);
    }
  }

  #open(): Opened {
    this.#checkedMs = this.#options.clock.nowMs();
    const packs = this.#options.packs?.();
    packs?.catch(() => undefined);
    const opened: Opened = { objects: this.#options.open(), packs, users: 0 };
    opened.objects.catch(() => {
      if (this.#current === opened) this.#current = undefined;
    });
    return opened;
  }

  #close({ objects }: Opened): void {
    // A handle that could not be opened needs no closing.
    objects.then((open) => this.#options.close(open)).catch(() => undefined);
  }

  #left(opened: Opened): void {
    const { clock, idleMs } = this.#options;
    this.#usedMs = clock.nowMs();
    if (this.#current !== opened) {
      if (opened.users === 0) this.#close(opened);
      return;
    }
    if (opened.users === 0) this.#checkLater(idleMs);
    if (opened.packs === undefined || this.#usedMs - this.#checkedMs < packCheckMs) return;
    this.#checkedMs = this.#usedMs;
    void this.#refreshIfPacksWent(opened, opened.packs);
  }

  async #refreshIfPacksWent(opened: Opened, before: Promise<readonly string[]>): Promise<void> {
    try {
      const now = new Set(await this.#options.packs?.());
      if ((await before).some((name) => !now.has(name)) && this.#current === opened) this.refresh();
    } catch {
      // Whoever reads next learns what is wrong with the directory.
    }
  }

  /** One timer for any number of uses: it looks again when there were some meanwhile. */
  #checkLater(delayMs: number): void {
    const { clock, idleMs } = this.#options;
    this.#cancelCheck ??= clock.after(delayMs, () => {
      this.#cancelCheck = undefined;
      const restedMs = clock.nowMs() - this.#usedMs;
      if ((this.#current?.users ?? 0) > 0) return;
      if (restedMs < idleMs) this.#checkLater(idleMs - restedMs);
      else void this.close();
    });
  }
}
