/** What is gathered at most, in UTF-16 units, before it is written. */
const maxGatheredLength = 32 * 1024;
/** How long a line may wait. */
const maxWaitMs = 20;

/**
 * Gathers the lines of a log and writes them together: one system call for a line is what a small
 * request would otherwise pay most for. Nothing waits longer than 20 ms, nor past the end of the
 * process; only a kill -9 can lose what was gathered last.
 */
export class LineBatch {
  readonly #write: (text: string) => void;
  #lines = '';
  #timer: NodeJS.Timeout | undefined;

  /** `write` is called with whole lines, and with nothing else between two of them. */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Takes one line with its line feed. */
  write(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= maxGatheredLength) this.flush();
    // Keeps no process alive: whoever ends one flushes.
    else this.#timer ??= setTimeout(() => this.flush(), maxWaitMs).unref();
  }

  /** Writes what was gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = '';
    if (lines !== '') this.#write(lines);
  }
}
