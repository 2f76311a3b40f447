import { PackhorseError } from '#base';
import type { LeaseEntry, LeaseStore, LeaseWatcher } from '../../libs/cluster/membership/lease-store.ts';
import type { SimulatedClock, SimulatedTime } from './simulated-time.ts';

export interface NetworkOptions {
  /** Numbers from 0 up to 1. */
  readonly next: () => number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly timeoutMs: number;
}

/** A lease store as all nodes together see it, and the network between them and it. */
export class SimulatedLeases {
  /** The share of messages that are lost. */
  lossShare = 0;
  /** Nobody reaches the store. */
  isDown = false;
  /** Messages in either direction that arrived. */
  deliveries = 0;
  readonly #time: SimulatedTime;
  readonly #network: NetworkOptions;
  readonly #entries = new Map<string, LeaseEntry>();
  readonly #clients = new Set<SimulatedClient>();
  #revision = 0;

  constructor(time: SimulatedTime, network: NetworkOptions) {
    this.#time = time;
    this.#network = network;
  }

  get timeoutMs(): number {
    return this.#network.timeoutMs;
  }

  /** What one node has of it. */
  client(clock: SimulatedClock): SimulatedClient {
    const client = new SimulatedClient(this, clock);
    this.#clients.add(client);
    return client;
  }

  /** The servers come back with nothing on their disks. */
  loseData(): void {
    this.#entries.clear();
    this.#revision = 0;
    for (const client of this.#clients) client.lost();
  }

  entry(key: string): LeaseEntry {
    return this.#entries.get(key) ?? { key, value: undefined, revision: 0 };
  }

  get all(): readonly LeaseEntry[] {
    return [...this.#entries.values()];
  }

  write(key: string, value: string | undefined, revision: number): number | undefined {
    if (this.entry(key).revision !== revision) return undefined;
    this.#revision += 1;
    const entry: LeaseEntry = { key, value, revision: this.#revision };
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set(key, entry);
    for (const client of this.#clients) client.hear(entry);
    return this.#revision;
  }

  delayMs(): number {
    const { next, minDelayMs, maxDelayMs } = this.#network;
    return minDelayMs + next() * (maxDelayMs - minDelayMs);
  }

  /** Whether a message gets through. */
  passes(client: SimulatedClient): boolean {
    return (
      !this.isDown && !client.isCutOff && (this.lossShare === 0 || this.#network.next() >= this.lossShare)
    );
  }

  /** Delivers after a delay, unless it is lost on the way. */
  send(client: SimulatedClient, deliver: () => void): void {
    this.#time.at(this.#time.nowMs + this.delayMs(), () => {
      if (!this.passes(client)) return;
      this.deliveries += 1;
      deliver();
    });
  }

  get nowMs(): number {
    return this.#time.nowMs;
  }

  at(atMs: number, run: () => void): void {
    this.#time.at(atMs, run);
  }
}

/** One node's way to the store. */
export class SimulatedClient implements LeaseStore {
  isCutOff = false;
  readonly #leases: SimulatedLeases;
  readonly #clock: SimulatedClock;
  #watcher: LeaseWatcher | undefined;
  #lastAtMs = 0;
  #hasGap = false;

  constructor(leases: SimulatedLeases, clock: SimulatedClock) {
    this.#leases = leases;
    this.#clock = clock;
  }

  read(key: string): Promise<LeaseEntry> {
    return this.#ask(() => this.#leases.entry(key));
  }

  write(key: string, value: string, revision: number): Promise<number | undefined> {
    return this.#ask(() => this.#leases.write(key, value, revision));
  }

  async remove(key: string, revision: number): Promise<void> {
    await this.#ask(() => this.#leases.write(key, undefined, revision));
  }

  async watch(watcher: LeaseWatcher): Promise<() => void> {
    await this.#ask(() => this.#list(watcher));
    return () => {
      if (this.#watcher === watcher) this.#watcher = undefined;
    };
  }

  lost(): void {
    this.#hasGap = true;
  }

  /** A write happened; messages of one watch never overtake each other, and after one that was lost all are sent again. */
  hear(entry: LeaseEntry): void {
    const watcher = this.#watcher;
    if (watcher === undefined) return;
    if (!this.#leases.passes(this)) this.#hasGap = true;
    else if (this.#hasGap) this.#list(watcher);
    else this.#deliver(() => watcher.entry(entry), watcher);
  }

  #list(watcher: LeaseWatcher): void {
    this.#watcher = watcher;
    this.#hasGap = false;
    const entries = this.#leases.all;
    this.#deliver(() => {
      watcher.restarted();
      for (const entry of entries) watcher.entry(entry);
      watcher.listed();
    }, watcher);
  }

  #deliver(run: () => void, watcher: LeaseWatcher): void {
    this.#lastAtMs = Math.max(this.#lastAtMs, this.#leases.nowMs + this.#leases.delayMs());
    this.#leases.deliveries += 1;
    this.#leases.at(this.#lastAtMs, () =>
      this.#clock.whenAwake(() => {
        if (this.#watcher === watcher) run();
      }),
    );
  }

  /** The request and its answer can each be late or lost. */
  #ask<Answer>(act: () => Answer): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#clock.after(this.#leases.timeoutMs, () =>
      reject(new PackhorseError('unavailable', 'The lease store does not answer.')),
    );
    this.#leases.send(this, () => {
      const answer = act();
      this.#leases.send(this, () => this.#clock.whenAwake(() => resolve(answer)));
    });
    return promise;
  }
}
