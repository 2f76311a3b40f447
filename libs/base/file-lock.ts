import { DatabaseSync } from 'node:sqlite';

/**
 * An exclusive lock of this process on a file. It is the operating system's own (fcntl record locks,
 * by way of SQLite, since Node has no call for it): it ends with the process however that ends, also
 * by kill -9, and other containers on the machine respect it too.
 */
export class FileLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Makes the file when it is missing; its directory must exist. undefined when the lock is held already. */
  static acquire(path: string): FileLock | undefined {
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
      return new FileLock(database);
    } catch {
      database.close();
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
