import { type Clock, hasCode, type Log, PackhorseError, type Random, randomId, type Settings } from '#base';
import type { LeaseEntry, LeaseStore } from './lease-store.ts';
import { type KnownNode, MemberTable } from './member-table.ts';
import type {
  Member,
  Membership,
  MembershipEvent,
  NodeChange,
  NodeState,
  VolumeLocation,
} from './membership.ts';
import { OwnClaims, type Refusal } from './own-claims.ts';
import { OwnLease, type Renewal, requireNodeName } from './own-lease.ts';
import { encodeNode, nodeKey, parseKey } from './records.ts';
import { Silence } from './silence.ts';
import { changed } from './single-node.ts';
import { Turns } from './turns.ts';

export interface ClusterNodeOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Settings['membership'];
  readonly log: Log;
  /** `volumes` are those that are mounted; the node may be refused some of them. */
  readonly state: Omit<NodeState, 'instanceId' | 'isDraining' | 'load'>;
}

/**
 * One node of many. It renews its lease, claims its volumes, watches all the others, and takes the
 * lease from those that fell silent; the first three go on whatever becomes of the fourth.
 */
export class ClusterNode implements Membership {
  readonly #options: ClusterNodeOptions;
  readonly #table: MemberTable;
  readonly #lease: OwnLease;
  readonly #claims: OwnClaims;
  readonly #silence: Silence;
  readonly #listeners = new Set<(event: MembershipEvent) => void>();
  readonly #renewals: Turns;
  readonly #chores: Turns;
  /** All volumes that are mounted, claimed or not. */
  #state: NodeState;
  #lastRenewal: Renewal = 'unknown';
  #isClosed = false;
  #endWatch: (() => void) | undefined;
  #watchedAtMs = -Infinity;

  constructor(options: ClusterNodeOptions) {
    const { settings, clock, random, state, log } = options;
    const { heartbeatMs, leaseMs, leaseMarginMs } = settings;
    requireNodeName(state.name);
    if (leaseMs - leaseMarginMs < 2 * heartbeatMs) {
      throw new PackhorseError(
        'invalid_argument',
        'The lease of a node must last two heartbeats longer than its margin: see PACKHORSE_MEMBERSHIP_LEASE_MS.',
      );
    }
    this.#options = options;
    this.#state = { ...state, instanceId: randomId(random), isDraining: false, load: 0 };
    const { name } = state;
    const { instanceId } = this.#state;
    this.#table = new MemberTable(name, log);
    this.#lease = new OwnLease({ ...options, name, instanceId, state: () => this.#published() });
    const volumeIds = state.volumes.map(({ id }) => id);
    this.#claims = new OwnClaims({ ...options, name, instanceId, lease: this.#lease, volumeIds });
    this.#silence = new Silence(name, settings);
    this.#renewals = new Turns(clock, heartbeatMs, () => this.#renew());
    this.#chores = new Turns(clock, heartbeatMs / 2, () => this.#doChores());
  }

  /**
   * Joins: resolves when the node has its lease and has claimed, or been refused, each of its volumes.
   * Throws `failed_precondition` when its name or all its volumes belong to another node, and
   * `unavailable` when NATS cannot be reached for `joinTimeoutMs`.
   */
  static async join(options: ClusterNodeOptions): Promise<ClusterNode> {
    const node = new ClusterNode(options);
    const { clock, settings } = options;
    const untilMs = clock.monotonicMs() + settings.joinTimeoutMs;
    node.start();
    // A volume that is refused may still be that of an instance which has just died: its lease runs out.
    const patientUntilMs = clock.monotonicMs() + 3 * settings.leaseMs;
    while (!node.isReady(clock.monotonicMs() >= patientUntilMs) && clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => clock.after(settings.heartbeatMs / 10, resolve));
    }
    const problem = node.#problem();
    if (problem === undefined) return node;
    await node.close();
    throw problem;
  }

  /** Begins to renew and to watch; `join` does it and waits. */
  start(): void {
    this.#renewals.start();
    this.#chores.start();
  }

  /** True when the node holds its lease, hears itself, and has each of its volumes (or, with `mayLack`, knows who has it). */
  isReady(mayLack = false): boolean {
    const { heardSelfAtMs } = this.#silence;
    if (!this.#lease.isHeld || heardSelfAtMs === -Infinity) return false;
    const settled = this.#claims.claimed.length + (mayLack ? this.refusals.length : 0);
    return settled >= this.#state.volumes.length;
  }

  /** The volumes that it has mounted and may not use. */
  get refusals(): readonly Refusal[] {
    return this.#claims.refusals;
  }

  get self(): Member {
    const { name, instanceId } = this.#state;
    return { ...this.#published(), name, instanceId, isAlive: this.isLeaseHeld() };
  }

  nodes(): readonly Member[] {
    return this.#table.members;
  }

  node(name: string): Member | undefined {
    const known = this.#table.known(name);
    return known === undefined || known.record.gone === 'left' ? undefined : known.member;
  }

  volume(volumeId: string): VolumeLocation | undefined {
    return this.#table.location(volumeId);
  }

  volumes(): readonly VolumeLocation[] {
    return this.#table.locations;
  }

  watch(listener: (event: MembershipEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  isLeaseHeld(): boolean {
    return !this.#isClosed && this.#lease.isHeld;
  }

  holdsVolume(volumeId: string): boolean {
    return !this.#isClosed && this.#claims.holds(volumeId);
  }

  update(change: NodeChange): void {
    this.#state = changed(this.#state, change);
  }

  async drain(isDraining = true): Promise<void> {
    this.#state = { ...this.#state, isDraining };
    await this.#renewals.now();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([this.#renewals.stop(), this.#chores.stop()]);
    this.#endWatch?.();
    try {
      await this.#lease.giveBack();
    } catch (error) {
      this.#options.log.warn('the lease was not given back: it runs out by itself', { error });
    }
  }

  #published(): Omit<NodeState, 'name' | 'instanceId'> {
    const { region, address, version, isDraining, load } = this.#state;
    const claimed = new Set(this.#claims.claimed);
    const volumes = this.#state.volumes.filter(({ id }) => claimed.has(id));
    return { region, address, version, isDraining, load, volumes };
  }

  async #renew(): Promise<void> {
    const renewal = await this.#lease.renew();
    const { log } = this.#options;
    if (renewal === 'begun') log.info('the lease begins', { term: this.#lease.term });
    if (renewal === 'occupied' && this.#lastRenewal !== 'occupied') {
      log.warn('another node of this name is in the cluster: waiting for it to be gone');
    }
    if (renewal !== 'unknown') this.#lastRenewal = renewal;
    // Claims are void now: there is no time to lose.
    if (renewal === 'begun') this.#chores.soon();
  }

  /** What may take its time without keeping the lease waiting. */
  async #doChores(): Promise<void> {
    for (const chore of [
      () => this.#keepWatching(),
      () => this.#claim(),
      () => this.#takeLeases(),
      () => this.#forget(),
    ]) {
      try {
        await chore();
      } catch (error) {
        const { log } = this.#options;
        if (hasCode(error, 'unavailable')) log.debug('the lease store cannot be reached', { error });
        else log.error('keeping up the membership failed', { error });
      }
    }
  }

  async #claim(): Promise<void> {
    // What a node may use is said with its next renewal.
    if (await this.#claims.claim()) await this.#renewals.now();
  }

  /** A watch is trusted as long as this node hears itself in it. */
  async #keepWatching(): Promise<void> {
    const { store, clock, settings } = this.#options;
    const nowMs = clock.monotonicMs();
    const heardMs = Math.max(this.#silence.heardSelfAtMs, this.#watchedAtMs);
    if (nowMs - heardMs < settings.leaseMs) return;
    this.#endWatch?.();
    this.#endWatch = undefined;
    this.#endWatch = await store.watch({
      restarted: () => this.#table.restart(),
      entry: (entry) => this.#apply(entry),
      // What is missing in the list keeps the time of a lease to come back.
      listed: () => this.#silence.restart(clock.monotonicMs()),
    });
    this.#watchedAtMs = clock.monotonicMs();
  }

  #apply(entry: LeaseEntry): void {
    const nowMs = this.#options.clock.monotonicMs();
    const events = this.#table.apply(entry, nowMs);
    const key = parseKey(entry.key);
    if (key?.name === this.#state.name && key.kind === 'node') {
      const own = this.#table.known(key.name);
      const isNews = own?.revision === entry.revision && own.record.instanceId === this.#state.instanceId;
      if (isNews) this.#silence.heardSelf(nowMs);
    }
    if (key?.kind === 'volume') {
      const claim = this.#table.claim(key.name);
      if (claim !== undefined) this.#claims.seen(key.name, claim.record, claim.revision);
    }
    for (const event of events) this.#tell(event);
  }

  #tell(event: MembershipEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#options.log.error('a listener of the membership failed', { error });
      }
    }
  }

  /** Takes the lease of those that have been silent for its whole time, so that they know before anybody acts on it. */
  async #takeLeases(): Promise<void> {
    const { store, clock, log } = this.#options;
    if (!this.isLeaseHeld()) return;
    const overdue = this.#silence.overdue(this.#table, clock.monotonicMs());
    for (const known of overdue) {
      const lost = encodeNode(known.beat, { ...known.record, gone: 'lost' });
      const key = nodeKey(known.member.name);
      const revision = await store.write(key, lost, known.revision);
      if (revision !== undefined) {
        log.warn('a node fell silent and its lease was taken', { lost: known.member.name });
        this.#apply({ key, value: lost, revision });
      } else {
        // It lives, or somebody else was faster.
        this.#apply(await store.read(key));
      }
    }
  }

  async #forget(): Promise<void> {
    const { store, clock, settings } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const known of this.#table.forgettable(nowMs, settings.forgetNodeMs)) {
      if (this.#silence.rank(known.member.name, this.#table, nowMs) === 0) await this.#remove(store, known);
      this.#table.forget(known.member.name);
    }
  }

  async #remove(store: LeaseStore, { member, revision }: KnownNode): Promise<void> {
    await store.remove(nodeKey(member.name), revision);
  }

  #problem(): PackhorseError | undefined {
    if (this.#lastRenewal === 'occupied') {
      return new PackhorseError(
        'failed_precondition',
        'Another running node of this cluster has the same name: give each its own --node-name.',
      );
    }
    if (!this.isReady(true)) {
      return new PackhorseError(
        'unavailable',
        'The NATS server of the cluster does not answer: check --nats, and that JetStream is on (nats-server -js).',
      );
    }
    const [refusal] = this.refusals;
    if (refusal === undefined || this.#claims.claimed.length > 0) return undefined;
    return new PackhorseError(
      'failed_precondition',
      `The volume of this node is a copy of the one that node "${refusal.node}" has: two nodes cannot serve the same repositories.`,
      { metadata: { volumeId: refusal.volumeId, node: refusal.node, address: refusal.address } },
    );
  }
}
