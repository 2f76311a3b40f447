import { type Clock, type Log, PackhorseError, type Settings } from '#base';
import type { LeaseEntry, LeaseStore } from './lease-store.ts';
import type { NodeState } from './membership.ts';
import { decodeNode, encodeNode, nodeKey, splitNode } from './records.ts';
import { Stillness } from './stillness.ts';

export interface OwnLeaseOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly settings: Settings['membership'];
  readonly log: Log;
  readonly name: string;
  readonly instanceId: string;
  /** What is written with each renewal. */
  readonly state: () => Omit<NodeState, 'name' | 'instanceId'>;
}

/** What one attempt to renew did. */
export type Renewal =
  /** It is held as before. */
  | 'renewed'
  /** It begins anew: every claim made under it before is void. */
  | 'begun'
  /** Another instance of the same name has it. */
  | 'occupied'
  /** Nobody knows; the lease runs on until its time. */
  | 'unknown';

interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * This node's own lease. Renewals are compare-and-swap on one key, and so is taking the lease away:
 * who takes it waits `leaseMs` after it has seen the last renewal, and this node counts a shorter
 * time from before it *sent* that renewal. So at no moment do two nodes both believe that it is theirs.
 */
export class OwnLease {
  readonly #options: OwnLeaseOptions;
  readonly #key: string;
  readonly #rivals: Stillness;
  #term = 0;
  #beat = 0;
  #ackedBeat = 0;
  #revision = 0;
  /** Since when it is certain to be ours; undefined before it begins, and after it was taken or given back. */
  #since: Moment | undefined;
  #isBegun = false;
  #continuedTerm: number | undefined;

  constructor(options: OwnLeaseOptions) {
    this.#options = options;
    this.#key = nodeKey(options.name);
    this.#rivals = new Stillness(options.clock, options.settings.leaseMs);
  }

  get term(): number {
    return this.#term;
  }

  /** The term before this one, if its lease was still held when this one began: then nobody can have taken anything between. */
  get continuedTerm(): number | undefined {
    return this.#continuedTerm;
  }

  /** True until the time is over that the last acknowledged renewal was good for. Asks the clock each time. */
  get isHeld(): boolean {
    const since = this.#since;
    if (since === undefined) return false;
    const now = this.#now();
    const { leaseMs, leaseMarginMs } = this.#options.settings;
    // The monotonic clock of a machine that was suspended stood still; its wall clock may have been set. The later one counts.
    const elapsedMs = Math.max(now.monotonicMs - since.monotonicMs, now.wallMs - since.wallMs);
    return elapsedMs < leaseMs - leaseMarginMs;
  }

  /** Renews the lease, or begins it where there is none. Call it again every `heartbeatMs`; never twice at once. */
  async renew(): Promise<Renewal> {
    try {
      if (this.#isBegun && (await this.#write())) return 'renewed';
      return await this.#begin();
    } catch (error) {
      this.#options.log.debug('the lease was not renewed', { error });
      return 'unknown';
    }
  }

  /** From now on it is not held. Tells the others, if they can be reached. */
  async giveBack(): Promise<void> {
    this.#since = undefined;
    if (!this.#isBegun) return;
    this.#isBegun = false;
    this.#beat += 1;
    const left = this.#encode('left');
    const revision = await this.#options.store.write(this.#key, left, this.#revision);
    if (revision !== undefined) return;
    // The answer to the renewal before this one may have been lost on its way.
    const found = await this.#options.store.read(this.#key);
    if (this.#isOwnBeat(found)) await this.#options.store.write(this.#key, left, found.revision);
  }

  /** False when somebody else has written the key. */
  async #write(): Promise<boolean> {
    const sent = this.#now();
    this.#beat += 1;
    const revision = await this.#options.store.write(this.#key, this.#encode(), this.#revision);
    if (revision === undefined) return false;
    this.#revision = revision;
    this.#ackedBeat = this.#beat;
    this.#since = sent;
    return true;
  }

  async #begin(): Promise<Renewal> {
    const found = await this.#options.store.read(this.#key);
    if (this.#isBegun && this.#isOwnBeat(found)) {
      this.#revision = found.revision;
      return (await this.#write()) ? 'renewed' : 'unknown';
    }
    // Whatever it is, this lease has ended.
    const endedTerm = this.isHeld ? this.#term : undefined;
    this.#since = undefined;
    this.#isBegun = false;
    const record = found.value === undefined ? undefined : decodeNode(splitNode(found.value).text);
    const isOthers = record !== undefined && record.instanceId !== this.#options.instanceId;
    if (isOthers && record.gone === undefined && !this.#rivals.isStill(found)) return 'occupied';
    this.#term = Math.max(this.#term, record?.term ?? 0) + 1;
    this.#revision = found.revision;
    if (!(await this.#write())) return 'unknown';
    this.#isBegun = true;
    this.#continuedTerm = record === undefined ? endedTerm : undefined;
    this.#rivals.clear();
    return 'begun';
  }

  /** Whether the entry is a renewal of ours whose acknowledgement was lost. One that is older than the last acknowledged was restored from somewhere. */
  #isOwnBeat({ value }: LeaseEntry): boolean {
    if (value === undefined) return false;
    const { beat, text } = splitNode(value);
    const { instanceId, term, gone } = decodeNode(text);
    const isOwn = instanceId === this.#options.instanceId && term === this.#term && gone === undefined;
    return isOwn && beat >= this.#ackedBeat;
  }

  #encode(gone?: 'left'): string {
    const { instanceId, state } = this.#options;
    return encodeNode(this.#beat, { ...state(), instanceId, term: this.#term, gone });
  }

  #now(): Moment {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
  }
}

/** Node names go into keys, logs and labels. Throws `invalid_argument`. */
export function requireNodeName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name)) return;
  throw new PackhorseError(
    'invalid_argument',
    'The name of a node in a cluster has up to 63 letters, digits, "-" and "_": choose another --node-name.',
  );
}
