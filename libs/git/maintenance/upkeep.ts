import { type ObjectFormat, PackhorseError } from '#base';
import type { CommandResult, RefSnapshot } from '#wire';
import type { CommitHistory } from '../commit-graph/history.ts';
import type { ConfigValues, RepositoryConfig } from '../repository-config.ts';
import type { RepositoryMode } from '../repository-policy.ts';
import type { Storage } from '../storage.ts';
import { autoGc, isGcAwaited, needsGc } from './auto-gc.ts';
import { type MaintenanceFacts, maintenanceFacts } from './facts.ts';
import { surveyObjects } from './object-survey.ts';
import { PushGate } from './push-gate.ts';
import {
  type MaintenanceOptions,
  type MaintenanceReport,
  RepositoryMaintenance,
} from './repository-maintenance.ts';
import { readMaintenanceState } from './state-file.ts';

/** The repository that is looked after. */
export interface UpkeepHost {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly mode: RepositoryMode;
  readonly config: RepositoryConfig;
  readonly history: CommitHistory;
  refs(): Promise<RefSnapshot>;
  /** Runs `work` while no ref is changed. */
  withRefsLocked(work: () => Promise<void>): Promise<void>;
  /** Notes that something changes, for recovery. */
  noteBusy(): Promise<AsyncDisposable>;
  packsRemoved(): Promise<void>;
}

/**
 * When and how one repository is maintained: ours by ourselves; one that other programs share only
 * as its own config asks for it after a push.
 */
export class RepositoryUpkeep {
  readonly gitDir: string;
  readonly #storage: Storage;
  readonly #host: UpkeepHost;
  readonly #pushes = new PushGate();
  readonly #maintenance: RepositoryMaintenance;

  constructor(storage: Storage, host: UpkeepHost) {
    this.#storage = storage;
    this.#host = host;
    this.gitDir = host.gitDir;
    this.#maintenance = new RepositoryMaintenance(storage, {
      gitDir: host.gitDir,
      objectFormat: host.objectFormat,
      pushes: this.#pushes,
      refs: () => host.refs(),
      commitsOutsideGraph: async (max) => (await host.history.graphCoverage(max)).outside,
      withRefsLocked: (work) => host.withRefsLocked(work),
      packsRemoved: () => host.packsRemoved(),
    });
  }

  /** Packs that were to be removed when an earlier server ended still are. */
  async resume(): Promise<void> {
    const { disk, maintenance } = this.#storage;
    if (this.#host.mode === 'shared') return;
    const { retired } = await readMaintenanceState(disk, this.gitDir);
    if (retired.length > 0) maintenance.changed(this);
  }

  /** Until the result is disposed nothing is removed that a push may have been told to be there. */
  async beginPush(): Promise<AsyncDisposable> {
    const inside = await this.#pushes.enter();
    try {
      const busy = await this.#host.noteBusy();
      return {
        async [Symbol.asyncDispose]() {
          inside[Symbol.dispose]();
          await busy[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      inside[Symbol.dispose]();
      throw error;
    }
  }

  /** What follows a push; the pusher waits for none of it but a file that the next reader would miss. */
  async afterPush(results: readonly CommandResult[]): Promise<void> {
    const { maintenance, git, log } = this.#storage;
    if (!results.some(({ status }) => status === 'ok')) return;
    if (this.#host.mode === 'owned') {
      maintenance.changed(this);
      return;
    }
    try {
      const config = await this.#host.config.values();
      if (!isGcAwaited(config) && (await this.#asksForGc(config))) maintenance.changed(this);
      if (config.bool('receive.updateServerInfo', false)) {
        await git.run({ gitDir: this.gitDir, args: ['update-server-info'] });
      }
    } catch (error) {
      log.warn('The work after a push failed.', { error, gitDir: this.gitDir });
    }
  }

  #asksForGc(config: ConfigValues): Promise<boolean> {
    if (!config.bool('receive.autogc', true)) return Promise.resolve(false);
    return needsGc(this.#storage, this.gitDir, config);
  }

  /** What a pusher who has the report waits for, where the repository's config says so; `onOutput` gets its words. */
  async afterReport(onOutput: (text: Buffer) => void): Promise<void> {
    const { maintenance, log } = this.#storage;
    if (this.#host.mode === 'owned') return;
    try {
      const config = await this.#host.config.values();
      if (!isGcAwaited(config) || !(await this.#asksForGc(config))) return;
      await maintenance.now(this.gitDir, (signal) =>
        autoGc(this.#storage, this.gitDir, config, signal, onOutput),
      );
    } catch (error) {
      log.warn('The work after a push failed.', { error, gitDir: this.gitDir });
    }
  }

  /** For the scheduler: what there is need for. */
  async maintain({
    signal,
  }: {
    readonly signal: AbortSignal;
  }): Promise<{ readonly nextAtMs: number | undefined }> {
    if (this.#host.mode === 'owned') return { nextAtMs: (await this.run({ signal })).nextRemovalAtMs };
    await autoGc(this.#storage, this.gitDir, await this.#host.config.values(), signal);
    return { nextAtMs: undefined };
  }

  /** One run, see RepositoryMaintenance. Throws `failed_precondition` for a repository that others write to as well. */
  async run(options: MaintenanceOptions): Promise<MaintenanceReport> {
    if (this.#host.mode === 'shared') {
      throw new PackhorseError('failed_precondition', 'This repository is maintained by those who share it.');
    }
    await using _busy = await this.#host.noteBusy();
    const report = await this.#maintenance.run(options);
    // Between two pushes a repository often rests: what it needs can be read again.
    this.#host.history.forget();
    return report;
  }

  /** One run now, when it is its turn on this node; throws as `run` does. */
  async runNow(options: Omit<MaintenanceOptions, 'signal'>): Promise<MaintenanceReport> {
    const { maintenance } = this.#storage;
    // Quick, and somebody waits for it: no reason to stand in line behind large repositories.
    if (options.graphOnly === true)
      return await this.run({ ...options, signal: new AbortController().signal });
    const report = await maintenance.now(this.gitDir, (signal) => this.run({ ...options, signal }));
    if (report.nextRemovalAtMs !== undefined) maintenance.changed(this);
    return report;
  }

  async facts(): Promise<MaintenanceFacts> {
    const { disk, settings } = this.#storage;
    const { inside, outside } = await this.#host.history.graphCoverage(settings.maintenanceCommits + 1);
    return maintenanceFacts({
      survey: await surveyObjects(disk, this.gitDir),
      state: await this.#maintenance.state(),
      commitsInGraph: inside,
      commitsOutsideGraph: outside,
    });
  }
}
