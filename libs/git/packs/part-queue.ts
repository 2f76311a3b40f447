import type { Readable } from 'node:stream';
import type { PackPart } from '#wire';

/** Progress that waits for a slow reader; what comes on top of it is dropped, newer text says the same. */
const maxProgressBytes = 16 * 1024;

/** Joins the pack from standard output with progress from standard error. Only the pack holds the producer back. */
export class PartQueue {
  #progress: Buffer[] = [];
  #progressBytes = 0;
  #wake: (() => void) | undefined;

  pushProgress(bytes: Buffer): void {
    if (this.#progressBytes + bytes.length > maxProgressBytes) return;
    this.#progress.push(bytes);
    this.#progressBytes += bytes.length;
    this.#wake?.();
  }

  /** Both, until `output` ends; it is destroyed when the reader leaves earlier. */
  async *take(output: Readable): AsyncGenerator<PackPart, void, undefined> {
    let ended = false;
    const wake = (): void => this.#wake?.();
    const end = (): void => {
      ended = true;
      wake();
    };
    output.on('readable', wake).once('end', end).once('close', end).once('error', end);
    try {
      for (;;) {
        if (this.#progressBytes > 0) yield { kind: 'progress', bytes: this.#takeProgress() };
        const bytes = output.read() as Buffer | null;
        if (bytes !== null) yield { kind: 'data', bytes };
        else if (ended) break;
        else if (this.#progressBytes === 0) await this.#sleep(() => ended || output.readableLength > 0);
      }
    } finally {
      output.destroy();
    }
  }

  /** The progress that came after the last bytes of the pack; nothing when there was none. */
  *rest(): Generator<PackPart, void, undefined> {
    if (this.#progressBytes > 0) yield { kind: 'progress', bytes: this.#takeProgress() };
  }

  #takeProgress(): Buffer {
    const bytes = Buffer.concat(this.#progress);
    this.#progress = [];
    this.#progressBytes = 0;
    return bytes;
  }

  #sleep(isReady: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
      if (isReady()) this.#wake();
    });
  }
}
