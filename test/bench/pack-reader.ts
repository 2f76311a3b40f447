import { createHash, type Hash } from 'node:crypto';

export interface PackResult {
  /** From the request until the last byte of the answer. */
  readonly totalMs: number;
  /** From the request until the first byte of the pack. */
  readonly firstByteMs: number;
  readonly packBytes: number;
}

/**
 * Reads a protocol v2 `fetch` answer as it arrives and counts the bytes of the pack in it
 * (gitprotocol-v2, gitprotocol-pack "side-band"). Nothing is kept, so that the reader never is
 * what is measured; `verify` also checks the pack's own SHA-1.
 */
export class PackReader {
  readonly #startedMs: number;
  readonly #hash: Hash | undefined;
  #pending: Buffer = Buffer.alloc(0);
  #inPack = false;
  #firstByteMs: number | undefined;
  #packBytes = 0;
  #tail: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(startedMs: number, verify: boolean) {
    this.#startedMs = startedMs;
    this.#hash = verify ? createHash('sha1') : undefined;
  }

  /** True once the flush packet that closes the answer was read. */
  get ended(): boolean {
    return this.#ended;
  }

  push(chunk: Buffer): void {
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      if (bytes.length < 4) break;
      const length = Number.parseInt(bytes.toString('latin1', 0, 4), 16);
      if (Number.isNaN(length)) throw new Error(`no pkt-line: ${bytes.toString('latin1', 0, 60)}`);
      if (length < 4) {
        if (length === 0) this.#ended = true;
        bytes = bytes.subarray(4);
        continue;
      }
      if (bytes.length < length) break;
      this.#packet(bytes.subarray(4, length));
      bytes = bytes.subarray(length);
    }
    this.#pending = bytes;
  }

  #packet(content: Buffer): void {
    if (!this.#inPack) {
      const line = content.toString('latin1', 0, 200);
      if (line.startsWith('ERR ')) throw new Error(`the server says: ${line}`);
      this.#inPack = line === 'packfile\n';
      return;
    }
    const band = content[0];
    if (band === 3) throw new Error(`the server says: ${content.toString('utf8', 1)}`);
    if (band !== 1) return;
    this.#firstByteMs ??= performance.now() - this.#startedMs;
    this.#packBytes += content.length - 1;
    if (this.#hash !== undefined) this.#check(this.#hash, content.subarray(1));
  }

  /** Everything but the last 20 bytes is what the trailer is the hash of. */
  #check(hash: Hash, data: Buffer): void {
    const joined = Buffer.concat([this.#tail, data]);
    const body = Math.max(0, joined.length - 20);
    hash.update(joined.subarray(0, body));
    this.#tail = Buffer.from(joined.subarray(body));
  }

  /** Fails when the answer was cut off or its checksum is wrong. */
  result(): PackResult {
    if (!this.#ended || this.#firstByteMs === undefined)
      throw new Error('the answer ended before the pack did');
    if (this.#hash !== undefined && !this.#hash.digest().equals(this.#tail))
      throw new Error('the pack is corrupt');
    return {
      totalMs: performance.now() - this.#startedMs,
      firstByteMs: this.#firstByteMs,
      packBytes: this.#packBytes,
    };
  }
}
