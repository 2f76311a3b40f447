import { type Clock, type Random, randomId, type Settings } from '#base';
import type { LeaseStore } from './lease-store.ts';
import { decodeFormation, formationKey, type FormationRecord } from './records.ts';
import { Stillness } from './stillness.ts';

export interface FormationOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Pick<Settings['membership'], 'leaseMs'>;
}

/**
 * Whether the lease store has existed for longer than a lease lasts. Before that it may be one that
 * lost its data, and a node may still hold what the store knows nothing of: so new claims wait.
 */
export class Formation {
  readonly #options: FormationOptions;
  readonly #stillness: Stillness;

  constructor(options: FormationOptions) {
    this.#options = options;
    this.#stillness = new Stillness(options.clock, options.settings.leaseMs);
  }

  /** Ask again and again: it is by that that the time passes. Throws `unavailable`. */
  async isSettled(): Promise<boolean> {
    const { store, random } = this.#options;
    const entry = await store.read(formationKey);
    const record = entry.value === undefined ? undefined : decodeFormation(entry.value);
    if (record?.isSettled === true) return true;
    if (record === undefined) {
      const begun: FormationRecord = { id: randomId(random), isSettled: false };
      await store.write(formationKey, JSON.stringify(begun), entry.revision);
      return false;
    }
    if (!this.#stillness.isStill(entry)) return false;
    const settled: FormationRecord = { ...record, isSettled: true };
    return (await store.write(formationKey, JSON.stringify(settled), entry.revision)) !== undefined;
  }
}
