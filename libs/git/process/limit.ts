import { type Clock, currentRequester, PackhorseError, type Requester, systemClock } from '#base';

/** What one repository, one user or one address may take of a limit, so that nobody takes it all. */
export interface Shares {
  readonly maxPerRepository: number;
  readonly maxPerUser: number;
  readonly maxPerAddress: number;
  /** How many may wait of each. */
  readonly maxWaitingOfEach: number;
  /** How long somebody waits. */
  readonly maxWaitMs: number;
}

interface Waiter {
  readonly parties: readonly Party[];
  readonly start: (lease: Disposable) => void;
}

/** A repository, user or address, while something of it runs or waits. */
interface Party {
  readonly name: string;
  readonly maxRunning: number;
  running: number;
  waiting: number;
}

/**
 * So many at once, so many waiting in line, and an answer for everyone past that. First come, first
 * served, except that whoever has its share already lets others pass (`currentRequester`).
 */
export class ConcurrencyLimit {
  readonly #maxRunning: number;
  readonly #maxWaiting: number;
  readonly #shares: Shares | undefined;
  readonly #clock: Clock;
  readonly #onRefusal: () => void;
  readonly #parties = new Map<string, Party>();
  #running = 0;
  readonly #waiting = new Set<Waiter>();

  /** `onRefusal` hears of everyone who gets no place, for the metrics. */
  constructor(
    maxRunning: number,
    maxWaiting: number,
    shares?: Shares,
    clock: Clock = systemClock,
    onRefusal: () => void = () => undefined,
  ) {
    this.#maxRunning = maxRunning;
    this.#maxWaiting = maxWaiting;
    this.#shares = shares;
    this.#clock = clock;
    this.#onRefusal = onRefusal;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when it is the caller's turn; dispose the lease to let the next one in. Throws
   * `unavailable` when the line is full or does not move, and `cancelled` when `signal` aborts the wait.
   */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    if (signal?.aborted === true) throw cancelled();
    const parties = this.#partiesOf(currentRequester());
    if (this.#mayStart(parties)) return this.#lease(parties);
    const maxOfEach = this.#shares?.maxWaitingOfEach ?? Infinity;
    if (this.#waiting.size >= this.#maxWaiting || parties.some(({ waiting }) => waiting >= maxOfEach)) {
      throw this.#busy();
    }
    return await this.#wait(parties, signal);
  }

  async #wait(parties: readonly Party[], signal: AbortSignal | undefined): Promise<Disposable> {
    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    const waiter: Waiter = { parties, start: resolve };
    this.#waiting.add(waiter);
    for (const party of parties) {
      this.#parties.set(party.name, party);
      party.waiting += 1;
    }
    const giveUp = (error: PackhorseError): void => {
      this.#leaveLine(waiter);
      reject(error);
    };
    const onAbort = (): void => giveUp(cancelled());
    signal?.addEventListener('abort', onAbort, { once: true });
    const maxWaitMs = this.#shares?.maxWaitMs;
    const cancelTimer =
      maxWaitMs === undefined ? undefined : this.#clock.after(maxWaitMs, () => giveUp(this.#busy()));
    try {
      return await promise;
    } finally {
      cancelTimer?.();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Twice does nothing: whoever was let in has left already. */
  #leaveLine(waiter: Waiter): void {
    if (!this.#waiting.delete(waiter)) return;
    for (const party of waiter.parties) {
      party.waiting -= 1;
      this.#forget(party);
    }
  }

  #partiesOf(requester: Requester | undefined): readonly Party[] {
    const shares = this.#shares;
    if (shares === undefined || requester === undefined) return [];
    const { repository, user, address } = requester;
    return [
      this.#party(`repository ${repository}`, shares.maxPerRepository),
      ...(user === undefined ? [] : [this.#party(`user ${user}`, shares.maxPerUser)]),
      this.#party(`address ${address}`, shares.maxPerAddress),
    ];
  }

  #party(name: string, maxRunning: number): Party {
    return this.#parties.get(name) ?? { name, maxRunning, running: 0, waiting: 0 };
  }

  #forget(party: Party): void {
    if (party.running === 0 && party.waiting === 0) this.#parties.delete(party.name);
  }

  #mayStart(parties: readonly Party[]): boolean {
    return (
      this.#running < this.#maxRunning && parties.every(({ running, maxRunning }) => running < maxRunning)
    );
  }

  #lease(parties: readonly Party[]): Disposable {
    this.#running += 1;
    for (const party of parties) {
      this.#parties.set(party.name, party);
      party.running += 1;
    }
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        this.#running -= 1;
        for (const party of parties) {
          party.running -= 1;
          this.#forget(party);
        }
        this.#startNext();
      },
    };
  }

  #startNext(): void {
    for (const waiter of this.#waiting) {
      if (this.#running >= this.#maxRunning) return;
      if (!this.#mayStart(waiter.parties)) continue;
      this.#leaveLine(waiter);
      waiter.start(this.#lease(waiter.parties));
    }
  }

  #busy(): PackhorseError {
    this.#onRefusal();
    return new PackhorseError('unavailable', 'The server is busy, try again in a moment.', {
      metadata: { running: this.#running, waiting: this.#waiting.size },
    });
  }
}

const cancelled = (): PackhorseError => new PackhorseError('cancelled', 'The operation was cancelled.');
