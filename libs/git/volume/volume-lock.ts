import { DatabaseSync } from 'node:sqlite';
import { PackhorseError } from '#base';

/**
 * Holds a volume for this process. The lock is the operating system's own (fcntl record locks, by
 * way of SQLite, since Node has no call for it): it ends with the process however that ends, also
 * by kill -9, and other containers on the machine respect it too.
 */
export class VolumeLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Throws `failed_precondition` when another process holds the volume. */
  static acquire(path: string): VolumeLock {
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      database.exec('PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
      return new VolumeLock(database);
    } catch (error) {
      database.close();
      throw new PackhorseError(
        'failed_precondition',
        'Another running server uses this volume; a volume has only one.',
        {
          metadata: { lock: path },
          cause: error,
        },
      );
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
