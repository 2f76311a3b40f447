import { createHash } from 'node:crypto';
import type { Settings } from '#base';
import type { KnownNode, MemberTable } from './member-table.ts';

/** Nodes that take leases away one after the other; all others act together, should these fail. */
const orderedTakers = 8;

/**
 * Who has been silent for too long. Silence counts only while this node hears its own renewals come
 * back: then its writes are accepted and its watch works, so the silence is not its own deafness.
 */
export class Silence {
  readonly #selfName: string;
  readonly #settings: Settings['membership'];
  #heardSelfAtMs = -Infinity;
  #hearingSinceMs = Infinity;

  constructor(selfName: string, settings: Settings['membership']) {
    this.#selfName = selfName;
    this.#settings = settings;
  }

  get heardSelfAtMs(): number {
    return this.#heardSelfAtMs;
  }

  heardSelf(nowMs: number): void {
    if (!this.#hears(nowMs)) this.#hearingSinceMs = nowMs;
    this.#heardSelfAtMs = nowMs;
  }

  /** A new watch begins: nobody is silent yet. */
  restart(nowMs: number): void {
    this.#hearingSinceMs = nowMs;
  }

  /** Those whose lease this node is to take now. */
  overdue(table: MemberTable, nowMs: number): readonly KnownNode[] {
    if (!this.#hears(nowMs)) return [];
    const { leaseMs } = this.#settings;
    const overdue: KnownNode[] = [];
    for (const known of table.all) {
      const silentMs = nowMs - Math.max(known.heardAtMs, this.#hearingSinceMs);
      const { name, isAlive } = known.member;
      if (silentMs < leaseMs || !isAlive || name === this.#selfName) continue;
      if (silentMs >= leaseMs + this.#delayMs(name, table, nowMs)) overdue.push(known);
    }
    return overdue;
  }

  /** How many nodes that can be heard come before this one when something is to be done about `name`: the same order on all nodes. */
  rank(name: string, table: MemberTable, nowMs: number): number {
    const own = order(name, this.#selfName);
    return Array.from(table.all).filter(
      ({ member, heardAtMs }) =>
        member.isAlive && this.#isRecent(heardAtMs, nowMs) && order(name, member.name) < own,
    ).length;
  }

  #delayMs(name: string, table: MemberTable, nowMs: number): number {
    return (Math.min(this.rank(name, table, nowMs), orderedTakers) * this.#settings.heartbeatMs) / 2;
  }

  #hears(nowMs: number): boolean {
    return this.#isRecent(this.#heardSelfAtMs, nowMs);
  }

  #isRecent(heardAtMs: number, nowMs: number): boolean {
    return nowMs - heardAtMs <= 2.5 * this.#settings.heartbeatMs;
  }
}

function order(name: string, taker: string): string {
  return createHash('sha1').update(`${name} ${taker}`).digest('hex');
}
