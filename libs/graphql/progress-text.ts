/** One line of progress. Its number stays the same while it is rewritten. */
export interface ProgressLine {
  readonly number: number;
  readonly text: string;
  /** False for the last line while a carriage return may still replace it. */
  readonly isFinished: boolean;
}

/** Longer lines are cut: nobody reads them, and a program that never ends one must not fill the memory. */
const maxLineLength = 500;

/**
 * Text as a terminal would show it: a carriage return starts the line again, a newline ends it.
 * Keeps the newest `maxLines` lines.
 */
export class ProgressText {
  readonly #maxLines: number;
  readonly #finished: string[] = [];
  #dropped = 0;
  #current = '';
  /** A carriage return clears the line only when something follows, so that its last state can be seen. */
  #clearsNext = false;

  constructor(maxLines: number) {
    this.#maxLines = maxLines;
  }

  write(text: string): void {
    for (const piece of text.split(/(\r\n|\r|\n)/)) {
      if (piece === '') continue;
      if (piece === '\r') this.#clearsNext = true;
      else if (piece === '\n' || piece === '\r\n') this.#finishLine();
      else this.#append(piece);
    }
  }

  /** Nothing more follows: the last line is finished as it is. */
  end(): void {
    if (this.#current !== '') this.#finishLine();
  }

  /** The lines from number `from` on, as far as they are kept. */
  lines(from: number): readonly ProgressLine[] {
    const first = Math.max(from, this.#dropped);
    const finished = this.#finished
      .slice(first - this.#dropped)
      .map((text, index) => ({ number: first + index, text, isFinished: true }));
    const number = this.#dropped + this.#finished.length;
    if (this.#current === '' || number < from) return finished;
    return [...finished, { number, text: this.#current, isFinished: false }];
  }

  #append(text: string): void {
    const kept = this.#clearsNext ? '' : this.#current;
    this.#clearsNext = false;
    this.#current = (kept + text).slice(0, maxLineLength);
  }

  #finishLine(): void {
    this.#finished.push(this.#current);
    this.#current = '';
    this.#clearsNext = false;
    if (this.#finished.length > this.#maxLines) {
      this.#finished.shift();
      this.#dropped += 1;
    }
  }
}
