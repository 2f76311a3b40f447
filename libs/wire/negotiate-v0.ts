import { isOid, type ObjectFormat, type Oid, PackhorseError } from '#base';
import type { Negotiation } from './negotiation.ts';
import { pktLineText } from './pkt-line.ts';
import type { PktReader } from './pkt-reader.ts';
import type { PktWriter } from './pkt-writer.ts';

/** How common objects are acknowledged (gitprotocol-capabilities, `multi_ack`). */
export type AckMode = 'single' | 'multi_ack' | 'multi_ack_detailed';

export interface NegotiationRules {
  readonly mode: AckMode;
  /** `no-done`: the pack may follow `ready` without waiting for `done`. */
  readonly noDone: boolean;
  readonly stateless: boolean;
  readonly objectFormat: ObjectFormat;
  readonly maxHaves: number;
}

/** The haves of one round, and what ended it. */
interface Round {
  readonly haves: readonly Oid[];
  readonly end: 'flush' | 'done' | 'hang-up';
}

async function readRound(reader: PktReader, rules: NegotiationRules, maxHaves: number): Promise<Round> {
  const haves: Oid[] = [];
  for (;;) {
    const line = await reader.read();
    if (line === undefined) return { haves, end: 'hang-up' };
    if (line.kind !== 'data') return { haves, end: 'flush' };
    const text = pktLineText(line.payload);
    if (text === 'done') return { haves, end: 'done' };
    const oid = text.startsWith('have ') ? text.slice(5) : '';
    if (!isOid(oid, rules.objectFormat)) {
      throw new PackhorseError('invalid_argument', `git upload-pack: expected SHA1 list, got '${text}'`);
    }
    haves.push(oid);
    if (haves.length > maxHaves) {
      throw new PackhorseError('resource_exhausted', 'The fetch names too many objects as had.', {
        metadata: { maxHaves: rules.maxHaves },
      });
    }
  }
}

/**
 * Finds out what client and server have in common, in protocol 0 and 1 (gitprotocol-pack, "Packfile
 * Negotiation"). True when the pack is to follow; false when the client left, or, stateless, when
 * it will come back with another request.
 */
export async function negotiateV0(
  reader: PktReader,
  writer: PktWriter,
  negotiation: Negotiation,
  rules: NegotiationRules,
): Promise<boolean> {
  const acks = new Acknowledger(writer, negotiation, rules.mode);
  let leftHaves = rules.maxHaves;
  for (;;) {
    const round = await readRound(reader, rules, leftHaves);
    leftHaves -= round.haves.length;
    await acks.round(round.haves);
    if (round.end === 'hang-up') return false;
    if (round.end === 'done') {
      await acks.done();
      return true;
    }
    if (await acks.endRound(rules.noDone)) return true;
    await writer.send();
    if (rules.stateless) return false;
  }
}

/** Says ACK and NAK the way each mode wants them, with Git's timing. */
class Acknowledger {
  readonly #writer: PktWriter;
  readonly #negotiation: Negotiation;
  readonly #mode: AckMode;
  #lastCommon: Oid | undefined;
  #sentReady = false;
  /** Of this round. */
  #gotCommon = false;
  #gotOther = false;

  constructor(writer: PktWriter, negotiation: Negotiation, mode: AckMode) {
    this.#writer = writer;
    this.#negotiation = negotiation;
    this.#mode = mode;
  }

  async round(haves: readonly Oid[]): Promise<void> {
    this.#gotCommon = false;
    this.#gotOther = false;
    if (haves.length === 0) return;
    const existing = await this.#negotiation.existing(haves);
    for (const oid of haves) {
      if (existing.has(oid)) await this.#common(oid);
      else await this.#other(oid);
    }
  }

  async #common(oid: Oid): Promise<void> {
    const isFirst = this.#lastCommon === undefined;
    this.#gotCommon = true;
    this.#lastCommon = oid;
    await this.#negotiation.note(oid);
    if (this.#mode === 'multi_ack_detailed') await this.#writer.line(`ACK ${oid} common\n`);
    else if (this.#mode === 'multi_ack') await this.#writer.line(`ACK ${oid} continue\n`);
    else if (isFirst) await this.#writer.line(`ACK ${oid}\n`);
  }

  /** A have that is unknown here is acknowledged too once nothing more needs to be said. */
  async #other(oid: Oid): Promise<void> {
    this.#gotOther = true;
    if (this.#mode === 'single' || !(await this.#negotiation.isReady())) return;
    if (this.#mode === 'multi_ack_detailed') {
      this.#sentReady = true;
      await this.#writer.line(`ACK ${oid} ready\n`);
    } else {
      await this.#writer.line(`ACK ${oid} continue\n`);
    }
  }

  /** Ends a round; true when the pack follows at once. */
  async endRound(noDone: boolean): Promise<boolean> {
    const last = this.#lastCommon;
    if (this.#mode === 'multi_ack_detailed' && this.#gotCommon && !this.#gotOther && last !== undefined) {
      if (await this.#negotiation.isReady()) {
        this.#sentReady = true;
        await this.#writer.line(`ACK ${last} ready\n`);
      }
    }
    if (last === undefined || this.#mode !== 'single') await this.#writer.line('NAK\n');
    if (!noDone || !this.#sentReady || last === undefined) return false;
    await this.#writer.line(`ACK ${last}\n`);
    return true;
  }

  async done(): Promise<void> {
    if (this.#lastCommon === undefined) await this.#writer.line('NAK\n');
    else if (this.#mode !== 'single') await this.#writer.line(`ACK ${this.#lastCommon}\n`);
  }
}
