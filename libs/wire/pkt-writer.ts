import type { ByteSink } from '#base';
import { delimPkt, encodePktLine, flushPkt, maxPktPayloadBytes } from './pkt-line.ts';
import { keepAlivePkt, sidebandPackets, type SidebandMode } from './sideband.ts';

/** Bytes of small lines that are gathered before they are written. */
const gatherBytes = 32_768;

/**
 * The answering side of a conversation. Lines are gathered until `send`, or until there are many;
 * pack bytes pass straight through. Awaiting is the back-pressure.
 */
export class PktWriter {
  readonly #sink: ByteSink;
  #queued: Uint8Array[] = [];
  #queuedBytes = 0;
  #mode: SidebandMode = 'none';
  #linesOnBand = false;
  #isRaw = false;
  #writesUnderWay = 0;
  #hasWritten = false;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** How errors, progress and data are framed from now on. */
  useSideband(mode: SidebandMode): void {
    this.#mode = mode;
    this.#linesOnBand = false;
  }

  /** Protocol v2 `sideband-all`: lines, too, travel on band 1. */
  useSidebandForLines(): void {
    this.#mode = 'side-band-64k';
    this.#linesOnBand = true;
  }

  get hasSideband(): boolean {
    return this.#mode !== 'none';
  }

  /** True once something was handed to the sink, so that nothing can be taken back. */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  /** True while the client has not yet taken what was written last. */
  get isBusy(): boolean {
    return this.#writesUnderWay > 0;
  }

  line(text: string): Promise<void> {
    return this.#enqueue(encodePktLine(this.#linesOnBand ? `\u0001${text}` : text));
  }

  delim(): Promise<void> {
    return this.#enqueue(delimPkt);
  }

  /** Ends a section or the answer, and sends what was gathered. */
  async flush(): Promise<void> {
    await this.#enqueue(flushPkt);
    await this.send();
  }

  /** Lines that are encoded already. */
  encoded(...chunks: readonly Uint8Array[]): Promise<void> {
    return this.#write(chunks);
  }

  /** Bytes of the pack or of the report: on band 1 where there are bands, else as they are. */
  data(bytes: Uint8Array): Promise<void> {
    if (this.#mode === 'none') {
      this.#isRaw = true;
      return this.#write([bytes]);
    }
    return this.#write(sidebandPackets(1, bytes, this.#mode));
  }

  /**
   * Like `data`, for bytes in memory that is used again: true when they are on their way, false when
   * the sink may still hold on to them.
   */
  async lentData(bytes: Uint8Array): Promise<boolean> {
    if (this.#sink.writeThrough === undefined) {
      await this.data(bytes);
      return false;
    }
    await this.send();
    this.#isRaw ||= this.#mode === 'none';
    const chunks = this.#mode === 'none' ? [bytes] : sidebandPackets(1, bytes, this.#mode);
    await this.#underWay(this.#sink.writeThrough(...chunks));
    return true;
  }

  /** Text for the user; silently dropped where there are no bands. */
  async progress(text: Uint8Array): Promise<void> {
    if (this.#mode !== 'none') await this.#write(sidebandPackets(2, text, this.#mode));
  }

  async keepAlive(): Promise<void> {
    if (this.#mode !== 'none') await this.#write([keepAlivePkt]);
  }

  /**
   * The last word of a conversation that failed: band 3, or an `ERR` line (gitprotocol-pack). False
   * once raw pack bytes are out: an error would be taken for more of them, so nothing is said.
   */
  async fail(message: string): Promise<boolean> {
    if (this.#isRaw) return false;
    if (this.#mode === 'none') {
      const text = Buffer.from(`ERR ${message}`).subarray(0, maxPktPayloadBytes - 1);
      await this.line(text.toString());
      await this.send();
      return true;
    }
    await this.#write(sidebandPackets(3, Buffer.from(`${message}\n`), this.#mode));
    return true;
  }

  /** Sends what was gathered. */
  async send(): Promise<void> {
    if (this.#queued.length > 0) await this.#write([]);
  }

  async #enqueue(bytes: Uint8Array): Promise<void> {
    this.#queued.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes >= gatherBytes) await this.send();
  }

  #write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#queued.length === 0) return this.#underWay(this.#sink.write(...chunks));
    const gathered = [Buffer.concat(this.#queued), ...chunks];
    this.#queued = [];
    this.#queuedBytes = 0;
    return this.#underWay(this.#sink.write(...gathered));
  }

  async #underWay(write: Promise<void>): Promise<void> {
    this.#writesUnderWay += 1;
    this.#hasWritten = true;
    try {
      await write;
    } finally {
      this.#writesUnderWay -= 1;
    }
  }
}
