import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Disk, unlessMissing } from '../volume/disk.ts';
import { appendRecoverably } from '../volume/recoverable-append.ts';
import type { Reflogs } from './reflog.ts';

/** One line that belongs into a reflog. */
export interface ReflogEntry {
  readonly log: string;
  /** With its line feed. */
  readonly line: string;
}

/** New files are what takes time: so many of them, then others get their turn. */
const logsPerTurn = 8;

/**
 * Lines for thousands of reflogs, kept in one durable file until each is in its own: a push that
 * creates ten thousand refs need not wait for ten thousand new files. Nothing else may change the refs
 * of the repository before `settle` is through; whoever opens a repository after a crash settles first.
 */
export class ReflogBacklog {
  readonly #disk: Disk;
  readonly #gitDir: string;

  constructor(disk: Disk, gitDir: string) {
    this.#disk = disk;
    this.#gitDir = gitDir;
  }

  get #path(): string {
    return `${this.#gitDir}/reflog-backlog`;
  }

  get isEmpty(): boolean {
    return this.#disk.stampNow(this.#path) === undefined;
  }

  /** Adds lines durably. Returns what takes them back. */
  async add(entries: Iterable<ReflogEntry>): Promise<() => Promise<void>> {
    const text = Array.from(entries, ({ log, line }) => `${log}\0${line}`).join('');
    return await appendRecoverably(this.#disk, this.#path, Buffer.from(text), async (file) => {
      await file.sync();
      await this.#disk.syncDirectory(this.#gitDir);
    });
  }

  /** Moves every line into its reflog; a line that is the last of its log already was moved before a crash. */
  async settle(reflogs: Reflogs): Promise<void> {
    const bytes = await unlessMissing(this.#disk.read(this.#path));
    // What follows the last line feed was cut off by a crash before anybody was told.
    for (const [index, text] of (bytes?.toString().split('\n').slice(0, -1) ?? []).entries()) {
      if (index % logsPerTurn === logsPerTurn - 1) await nextTurn();
      // A repository that was moved or removed meanwhile must not come back.
      if (this.isEmpty) return;
      const nul = text.indexOf('\0');
      if (nul > 0) await reflogs.appendOnce(text.slice(0, nul), `${text.slice(nul + 1)}\n`);
    }
    await unlessMissing(this.#disk.unlink(this.#path));
  }
}
