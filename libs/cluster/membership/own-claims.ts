import type { Clock, Log, Random, Settings } from '#base';
import { Formation } from './formation.ts';
import type { LeaseEntry, LeaseStore } from './lease-store.ts';
import { isValid, isVoid } from './member-table.ts';
import type { OwnLease } from './own-lease.ts';
import { type ClaimRecord, decodeClaim, decodeNode, nodeKey, splitNode, volumeKey } from './records.ts';
import { Stillness } from './stillness.ts';

export interface OwnClaimsOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Settings['membership'];
  readonly log: Log;
  readonly name: string;
  readonly instanceId: string;
  readonly lease: OwnLease;
  readonly volumeIds: readonly string[];
}

/** Why a volume that this node has mounted is not its own. */
export interface Refusal {
  readonly volumeId: string;
  /** The node that has the claim. */
  readonly node: string;
  readonly address: string | undefined;
}

/** The volumes that this node has mounted, and which of them it may use: those that no living node claimed before. */
export class OwnClaims {
  readonly #options: OwnClaimsOptions;
  readonly #stillness: Stillness;
  readonly #formation: Formation;
  readonly #claims = new Map<string, { readonly term: number; readonly revision: number }>();
  readonly #refusals = new Map<string, Refusal>();

  constructor(options: OwnClaimsOptions) {
    this.#options = options;
    this.#stillness = new Stillness(options.clock, options.settings.leaseMs);
    this.#formation = new Formation(options);
  }

  holds(volumeId: string): boolean {
    const { lease } = this.#options;
    return this.#claims.get(volumeId)?.term === lease.term && lease.isHeld;
  }

  /** Claimed under the lease as it is, held or not. */
  get claimed(): readonly string[] {
    const { volumeIds, lease } = this.#options;
    return volumeIds.filter((volumeId) => this.#claims.get(volumeId)?.term === lease.term);
  }

  get refusals(): readonly Refusal[] {
    return [...this.#refusals.values()];
  }

  /** Claims what is not claimed yet. Returns whether anything was. Throws `unavailable`; call it again later. */
  async claim(): Promise<boolean> {
    const { volumeIds, lease } = this.#options;
    let isChanged = false;
    for (const volumeId of volumeIds) {
      // Under a lease that has ended, or may have, nothing can be claimed.
      if (!lease.isHeld) break;
      if (this.#claims.get(volumeId)?.term === lease.term) continue;
      if (await this.#claim(volumeId)) isChanged = true;
    }
    return isChanged;
  }

  /** The store says who has a volume; called for every claim that is seen there. */
  seen(volumeId: string, record: ClaimRecord, revision: number): void {
    const { instanceId, lease, log } = this.#options;
    const own = this.#claims.get(volumeId);
    if (record.instanceId === instanceId || own?.term !== lease.term || revision <= own.revision) return;
    // Only a store that was set back to what it held before can do this.
    this.#claims.delete(volumeId);
    log.error('the claim of a volume was lost to another node', { volumeId, holder: record.node });
  }

  async #claim(volumeId: string): Promise<boolean> {
    const { store, lease, name, instanceId, log } = this.#options;
    const { term } = lease;
    const before = this.#claims.get(volumeId);
    const wasHeld = before !== undefined && before.term === lease.continuedTerm;
    const entry = await store.read(volumeKey(volumeId));
    if (!(await this.#isFree(volumeId, entry, wasHeld))) return false;
    const claim: ClaimRecord = { node: name, instanceId, term };
    const revision = await store.write(entry.key, JSON.stringify(claim), entry.revision);
    if (revision === undefined) return false;
    // The lease may have ended and begun anew while the store was asked: then this counts for nothing.
    this.#claims.set(volumeId, { term, revision });
    this.#stillness.clear(entry.key);
    if (this.#refusals.delete(volumeId)) log.info('a volume became free and is claimed', { volumeId });
    return lease.term === term;
  }

  async #isFree(volumeId: string, entry: LeaseEntry, wasHeld: boolean): Promise<boolean> {
    const { store, name, log } = this.#options;
    // Where nothing is known, a node that held the volume all the time may say so at once.
    if (entry.value === undefined) return wasHeld || (await this.#formation.isSettled());
    const claim = decodeClaim(entry.value);
    // Who has the lease of the node's name is the only one who can have its claims.
    if (claim.node === name) return true;
    const holder = await store.read(nodeKey(claim.node));
    const record = holder.value === undefined ? undefined : decodeNode(splitNode(holder.value).text);
    if (record !== undefined && isVoid(claim, record)) return true;
    if (record === undefined || !isValid(claim, record)) return this.#stillness.isStill(entry);
    this.#stillness.clear(entry.key);
    if (this.#refusals.get(volumeId)?.node !== claim.node) {
      this.#refusals.set(volumeId, { volumeId, node: claim.node, address: record.address });
      log.error('a volume is refused: another node has claimed the same one, so this is a copy of it', {
        volumeId,
        holder: claim.node,
        address: record.address,
      });
    }
    return false;
  }
}
