/** What a key of a lease store has. */
export interface LeaseEntry {
  readonly key: string;
  /** Undefined: nothing. */
  readonly value: string | undefined;
  /** Grows with each write; 0 where there is nothing. */
  readonly revision: number;
}

/** Hears of every write. */
export interface LeaseWatcher {
  /** All entries that there are follow now, then `listed`; what is not among them is gone from the store. */
  restarted(): void;
  entry(entry: LeaseEntry): void;
  listed(): void;
}

/**
 * A small table that all nodes share and that changes by compare-and-swap only: writes of one key are
 * linearizable. It may be out of reach for any time, and may even lose everything.
 */
export interface LeaseStore {
  /** Throws `unavailable`. */
  read(key: string): Promise<LeaseEntry>;
  /**
   * Writes when the key is still at `revision`; returns the new one, or undefined when it is not.
   * Throws `unavailable` when nobody knows whether it has been written.
   */
  write(key: string, value: string, revision: number): Promise<number | undefined>;
  /** Removes the key if it is still at `revision`. */
  remove(key: string, revision: number): Promise<void>;
  /** Ends with the returned function; may fall silent at any time, whereupon it is to be called again. */
  watch(watcher: LeaseWatcher): Promise<() => void>;
}
