import type { UserIdentity } from '#accounts';
import {
  PackhorseError,
  randomId,
  systemClock,
  systemRandom,
  toPackhorseError,
  type Clock,
  type ErrorCode,
  type Log,
  type Random,
  type Settings,
} from '#base';
import { ProgressText, type ProgressLine } from './progress-text.ts';

export type JobKind = 'import' | 'verify' | 'maintain';
export type JobState = 'running' | 'succeeded' | 'failed';

/** Something that takes longer than a request should: it is started, then asked for. */
export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  /** `OWNER/NAME`. */
  readonly repository: string;
  readonly state: JobState;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
  readonly error: { readonly code: ErrorCode; readonly message: string } | undefined;
  /** What a verification found, one sentence each; empty when all is well. */
  readonly problems: readonly string[];
  /** The lines from number `from` on, as far as they are kept. */
  progress(from: number): readonly ProgressLine[];
}

interface Entry extends Job {
  state: JobState;
  finishedAt: Date | undefined;
  error: Job['error'];
  problems: readonly string[];
  readonly userId: string;
  readonly isExempt: boolean;
  readonly text: ProgressText;
}

export interface JobRequest {
  readonly kind: JobKind;
  readonly repository: string;
  readonly identity: UserIdentity;
  /** Administrators are not held to the limit per user. */
  readonly isExempt: boolean;
}

type Limits = Pick<
  Settings['graphql'],
  'maxRunningJobs' | 'maxRunningJobsPerUser' | 'maxJobs' | 'maxJobLines' | 'jobRetentionMs'
>;

/** The jobs of this node. They end with the process: what they do must be safe to start again. */
export class Jobs {
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Set<Promise<void>>();
  readonly #limits: Limits;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #random: Random;
  #draining = false;

  constructor(
    limits: Limits,
    log: Log,
    { clock = systemClock, random = systemRandom }: { readonly clock?: Clock; readonly random?: Random } = {},
  ) {
    this.#limits = limits;
    this.#log = log;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Starts `work`, which may say how it goes and returns the problems it found.
   * Throws `unavailable` when too many jobs are running or the node is stopping.
   */
  start(request: JobRequest, work: (onProgress: (text: string) => void) => Promise<readonly string[]>): Job {
    this.#forgetOld();
    this.#admit(request);
    const text = new ProgressText(this.#limits.maxJobLines);
    const entry: Entry = {
      id: randomId(this.#random),
      kind: request.kind,
      repository: request.repository,
      userId: request.identity.userId,
      isExempt: request.isExempt,
      state: 'running',
      startedAt: new Date(this.#clock.nowMs()),
      finishedAt: undefined,
      error: undefined,
      problems: [],
      text,
      progress: (from) => text.lines(from),
    };
    this.#entries.set(entry.id, entry);
    const running = this.#run(entry, work);
    this.#running.add(running);
    void running.then(() => this.#running.delete(running));
    return entry;
  }

  /** The job, when this user started it or `seesAll`; otherwise undefined. */
  find(identity: UserIdentity, id: string, seesAll: boolean): Job | undefined {
    this.#forgetOld();
    const entry = this.#entries.get(id);
    return entry !== undefined && (seesAll || entry.userId === identity.userId) ? entry : undefined;
  }

  /** Starts nothing more, and resolves when what runs has ended, or after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(timeoutMs, resolve);
    await Promise.race([promise, Promise.all(this.#running)]);
    cancel();
  }

  #admit(request: JobRequest): void {
    const running = [...this.#entries.values()].filter((entry) => entry.state === 'running');
    const own = running.filter((entry) => !entry.isExempt && entry.userId === request.identity.userId);
    if (this.#draining) {
      throw new PackhorseError('unavailable', 'This node is stopping. Try again in a moment.');
    }
    if (running.length >= this.#limits.maxRunningJobs) {
      throw new PackhorseError('unavailable', 'Too many imports and checks are running. Try again later.');
    }
    if (!request.isExempt && own.length >= this.#limits.maxRunningJobsPerUser) {
      throw new PackhorseError(
        'unavailable',
        'You have too many imports and checks running. Wait for one to end.',
      );
    }
  }

  async #run(
    entry: Entry,
    work: (onProgress: (text: string) => void) => Promise<readonly string[]>,
  ): Promise<void> {
    try {
      const problems = await work((text) => entry.text.write(text));
      entry.problems = this.#bounded(problems);
      entry.state = 'succeeded';
    } catch (thrown) {
      const { code, message } = toPackhorseError(thrown);
      entry.error = { code, message };
      entry.state = 'failed';
      const fields = { kind: entry.kind, repository: entry.repository, error: thrown };
      if (code === 'internal' || code === 'data_loss') this.#log.error('job failed', fields);
      else this.#log.info('job failed', fields);
    }
    entry.text.end();
    entry.finishedAt = new Date(this.#clock.nowMs());
  }

  #bounded(problems: readonly string[]): readonly string[] {
    const left = problems.length - this.#limits.maxJobLines;
    return left <= 0 ? problems : [...problems.slice(0, this.#limits.maxJobLines), `... and ${left} more.`];
  }

  /** Finished jobs go when they are old, or the oldest first when there are too many. */
  #forgetOld(): void {
    const untilMs = this.#clock.nowMs() - this.#limits.jobRetentionMs;
    for (const [id, entry] of this.#entries) {
      if (entry.finishedAt === undefined) continue;
      const isOld = entry.finishedAt.getTime() <= untilMs;
      if (isOld || this.#entries.size >= this.#limits.maxJobs) this.#entries.delete(id);
    }
  }
}
