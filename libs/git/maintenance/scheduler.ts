import { type Clock, hasCode, type Log, type Settings, toPackhorseError } from '#base';
import { ConcurrencyLimit } from '../process/limit.ts';

/** Something that is maintained: one repository. */
export interface Maintained {
  readonly gitDir: string;
  /** One run, as far as there is need for it. Returns when there is something to do next, if that is known. */
  maintain(options: {
    readonly signal: AbortSignal;
    readonly onProgress?: (text: string) => void;
  }): Promise<{ readonly nextAtMs: number | undefined }>;
}

/** What the maintenance of a node does now, and did since it started. */
export interface MaintenanceCounts {
  readonly running: number;
  readonly waiting: number;
  readonly succeeded: number;
  readonly failed: number;
}

interface Entry {
  readonly cancel: () => void;
  readonly dueMs: number;
}

/** A push may have been in the way of what was to be done next: not to be tried all the time. */
const shortestWaitMs = 1_000;

type Limits = Pick<Settings['git'], 'maxMaintenances' | 'maintenanceDelayMs' | 'maintenanceDeferMs'>;

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  /** Somebody waits for what maintenance would take from them. */
  readonly isBusy?: () => boolean;
}

/**
 * When which repository of a node is maintained: some time after it changed, few at once. A
 * repository that changes all the time has one timer, not one for each change.
 */
export class MaintenanceScheduler {
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #isBusy: () => boolean;
  readonly #places: ConcurrencyLimit;
  readonly #waiting = new Map<string, Entry>();
  readonly #running = new Map<string, Set<AbortController>>();
  readonly #ending = new Set<Promise<void>>();
  #succeeded = 0;
  #failed = 0;
  #stopped = false;

  constructor(limits: Limits, { clock, log, isBusy = () => false }: Parts) {
    this.#limits = limits;
    this.#isBusy = isBusy;
    this.#clock = clock;
    this.#log = log;
    // Whoever waits has a timer of its own already, so there are no more of them than repositories in use.
    this.#places = new ConcurrencyLimit(limits.maxMaintenances, Number.POSITIVE_INFINITY);
  }

  get counts(): MaintenanceCounts {
    const [succeeded, failed] = [this.#succeeded, this.#failed];
    return {
      running: this.#places.running,
      waiting: this.#waiting.size + this.#places.waiting,
      succeeded,
      failed,
    };
  }

  /** Looks after a repository that changed, soon. */
  changed(repository: Maintained): void {
    this.#plan(repository, this.#limits.maintenanceDelayMs);
  }

  /** Runs `work` as the maintenance of a repository now, that is when it is its turn. Throws what `work` throws. */
  async now<Result>(gitDir: string, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const stop = new AbortController();
    if (this.#stopped) stop.abort();
    const running = this.#running.get(gitDir) ?? new Set();
    this.#running.set(gitDir, running.add(stop));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ending.add(promise);
    try {
      using _place = await this.#places.acquire(stop.signal);
      const result = await work(stop.signal);
      this.#succeeded += 1;
      return result;
    } catch (error) {
      if (!hasCode(error, 'cancelled')) this.#failed += 1;
      throw error;
    } finally {
      running.delete(stop);
      if (running.size === 0) this.#running.delete(gitDir);
      this.#ending.delete(promise);
      resolve();
    }
  }

  /** Forgets a repository, and stops what runs in it. */
  forget(gitDir: string): void {
    this.#waiting.get(gitDir)?.cancel();
    this.#waiting.delete(gitDir);
    for (const stop of this.#running.get(gitDir) ?? []) stop.abort();
  }

  /** Begins nothing more, stops what runs, and waits for its end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const gitDir of [...this.#waiting.keys(), ...this.#running.keys()]) this.forget(gitDir);
    await Promise.all(this.#ending);
  }

  /** It was to begin at `wantedMs`; put off, it is planned again. */
  #plan(repository: Maintained, delayMs: number, wantedMs?: number): void {
    const { gitDir } = repository;
    if (this.#stopped) return;
    const dueMs = this.#clock.nowMs() + delayMs;
    const planned = this.#waiting.get(gitDir);
    if (planned !== undefined && planned.dueMs <= dueMs) return;
    planned?.cancel();
    const cancel = this.#clock.after(delayMs, () => {
      this.#waiting.delete(gitDir);
      const sinceMs = wantedMs ?? dueMs;
      const { maintenanceDelayMs, maintenanceDeferMs } = this.#limits;
      const mayWait = this.#clock.nowMs() - sinceMs < maintenanceDeferMs;
      if (mayWait && this.#isBusy()) this.#plan(repository, maintenanceDelayMs, sinceMs);
      else void this.#run(repository);
    });
    this.#waiting.set(gitDir, { cancel, dueMs });
  }

  async #run(repository: Maintained): Promise<void> {
    const { gitDir } = repository;
    try {
      const { nextAtMs } = await this.now(gitDir, (signal) => repository.maintain({ signal }));
      if (nextAtMs === undefined) return;
      this.#plan(repository, Math.max(shortestWaitMs, nextAtMs - this.#clock.nowMs()));
    } catch (error) {
      // The next change is another occasion.
      if (!hasCode(error, 'cancelled')) {
        this.#log.error('The maintenance of a repository failed.', {
          gitDir,
          error: toPackhorseError(error),
        });
      }
    }
  }
}
