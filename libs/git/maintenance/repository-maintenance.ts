import { type ObjectFormat, PackhorseError, toPackhorseError } from '#base';
import type { RefSnapshot } from '#wire';
import { Serial } from '../refs/serial.ts';
import type { Storage } from '../storage.ts';
import { unlessMissing } from '../volume/disk.ts';
import { recoverRepository } from '../volume/recovery.ts';
import { writeCommitGraph } from './commit-graph.ts';
import { type ObjectSurvey, surveyObjects } from './object-survey.ts';
import { basePackOf, planRepack, type RepackPlan } from './plan.ts';
import type { PushGate } from './push-gate.ts';
import { expireReflogs } from './reflog-expiry.ts';
import { combinePacks, indexPacks, type MaintenanceTask, type Repacked, repackFully } from './repack.ts';
import { isCompleteWithout, removePacks } from './retired-packs.ts';
import { type MaintenanceState, readMaintenanceState, writeMaintenanceState } from './state-file.ts';

/** What maintenance needs of its repository, which is ours alone. */
export interface MaintenanceHost {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly pushes: PushGate;
  refs(): Promise<RefSnapshot>;
  /** How many commits that refs reach are not in the commit-graph; `max` when there are at least so many. */
  commitsOutsideGraph(max: number): Promise<number>;
  /** Runs `work` while no ref is changed. */
  withRefsLocked(work: () => Promise<void>): Promise<void>;
  /** Packs went: whoever has files open had better open them again. */
  packsRemoved(): Promise<void>;
}

export interface MaintenanceOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (text: string) => void;
  /** Everything, whether there is need for it or not. */
  readonly force?: boolean;
  /** Nothing but a commit-graph, quickly made, for a history that has just come in. */
  readonly graphOnly?: boolean;
}

/** What a run did, for the log and for metrics. */
export interface MaintenanceReport {
  readonly repack: RepackPlan['kind'];
  readonly commitGraph: boolean;
  readonly refsPacked: boolean;
  readonly reflogEntriesForgotten: number;
  readonly packsRemoved: number;
  /** When there is something to remove next; undefined when there is not. */
  readonly nextRemovalAtMs: number | undefined;
}

const nothingDone: MaintenanceReport = {
  repack: 'none',
  commitGraph: false,
  refsPacked: false,
  reflogEntriesForgotten: 0,
  packsRemoved: 0,
  nextRemovalAtMs: undefined,
};

const reflogIntervalMs = 24 * 3_600_000;

/**
 * Keeps one repository of ours fast: combines packs, writes bitmaps and the commit-graph, packs
 * refs, forgets old reflog entries, removes what is left over. Every step is safe to be killed at:
 * new packs are complete and durable before old ones are noted as retired, and those go only after
 * a while, so that a copy or a fetch under way finds what it began with.
 */
export class RepositoryMaintenance {
  readonly #storage: Storage;
  readonly #host: MaintenanceHost;
  readonly #running = new Serial();

  constructor(storage: Storage, host: MaintenanceHost) {
    this.#storage = storage;
    this.#host = host;
  }

  /** What is remembered of earlier runs. */
  state(): Promise<MaintenanceState> {
    return readMaintenanceState(this.#storage.disk, this.#host.gitDir);
  }

  /** One run at a time. Throws what a step threw; what was done before stays done. */
  run(options: MaintenanceOptions): Promise<MaintenanceReport> {
    return this.#running.run(async () => {
      if (options.signal.aborted) throw new PackhorseError('cancelled', 'The operation was cancelled.');
      try {
        return await this.#run(options);
      } catch (error) {
        const failure = toPackhorseError(error);
        if (failure.code !== 'cancelled') {
          await this.#remember({ lastFailure: failure.message }).catch(() => undefined);
        }
        throw failure;
      }
    });
  }

  async #run(options: MaintenanceOptions): Promise<MaintenanceReport> {
    const { gitDir, objectFormat } = this.#host;
    const { signal, onProgress = () => undefined } = options;
    const force = options.force === true;
    const task: MaintenanceTask = { gitDir, objectFormat, signal, onProgress };
    if (options.graphOnly === true) {
      await writeCommitGraph(this.#storage, task, { whole: true, changedPaths: false });
      return { ...nothingDone, commitGraph: true };
    }
    await this.#removeLeftovers(task);
    const removedBefore = await this.#removeRetired(task);
    const repack = await this.#repack(task, force);
    const commitGraph = await this.#writeGraph(task, force, repack === 'full');
    const refsPacked = await this.#packRefs(task, force);
    const reflogEntriesForgotten = await this.#expireReflogs(task, force);
    const removedAfter = repack === 'none' ? 0 : await this.#removeRetired(task);
    await this.#remember({ lastRunAtMs: this.#storage.clock.nowMs() }, ['lastFailure']);
    return {
      repack,
      commitGraph,
      refsPacked,
      reflogEntriesForgotten,
      packsRemoved: removedBefore + removedAfter,
      nextRemovalAtMs: await this.#nextRemovalAtMs(),
    };
  }

  async #removeLeftovers({ gitDir, onProgress }: MaintenanceTask): Promise<void> {
    const { disk, clock, settings, startedAtMs } = this.#storage;
    let removed = await recoverRepository(disk, gitDir, startedAtMs);
    const beforeMs = clock.nowMs() - settings.quarantineGraceMs;
    for (const name of (await surveyObjects(disk, gitDir)).strays) {
      const path = `${gitDir}/objects/pack/${name}`;
      const stamp = await unlessMissing(disk.stamp(path));
      // A pack that is being moved in has no index yet; its change of name shows in ctime.
      if (stamp === undefined || Math.max(stamp.ctimeMs, stamp.mtimeMs) >= beforeMs) continue;
      await unlessMissing(disk.unlink(path));
      removed += 1;
    }
    if (removed > 0) onProgress(`Removed ${removed} leftovers\n`);
  }

  async #repack(task: MaintenanceTask, force: boolean): Promise<RepackPlan['kind']> {
    const { disk, clock, settings } = this.#storage;
    const snapshot = await this.#host.refs();
    const survey = await surveyObjects(disk, task.gitDir);
    const { retired: retiredPacks, lastFullAtMs } = await this.state();
    const retired = new Set(retiredPacks.map(({ name }) => name));
    const nowMs = clock.nowMs();
    const needed = planRepack({ survey, retired, nowMs, lastFullAtMs }, settings);
    const plan: RepackPlan = force ? { kind: 'full' } : needed;
    if (plan.kind === 'none') return 'none';
    // Objects of a promisor remote may be missing on purpose, which only git's own repack knows to deal with.
    if (await isPartial(this.#storage, task.gitDir)) return 'none';
    const live = survey.packs.filter(({ name }) => !retired.has(name));
    const old = live.filter(({ isKept }) => !isKept);
    const repacked =
      plan.kind === 'full'
        ? await repackFully(this.#storage, task, snapshot, survey, old)
        : await combinePacks(this.#storage, task, plan.packs);
    await disk.syncDirectory(`${task.gitDir}/objects/pack`);
    await this.#indexPacks(task, live, repacked, basePackOf({ survey, retired })?.name);
    await this.#retire(repacked, snapshot, survey, plan.kind === 'full');
    return plan.kind;
  }

  async #indexPacks(
    task: MaintenanceTask,
    live: ObjectSurvey['packs'],
    { base, written, replaced }: Repacked,
    oldBase: string | undefined,
  ): Promise<void> {
    const names = new Set([...written, ...live.map(({ name }) => name)]);
    for (const name of replaced) names.delete(name);
    const preferred = base ?? (oldBase !== undefined && names.has(oldBase) ? oldBase : undefined);
    await indexPacks(this.#storage, task, [...names], preferred);
  }

  async #retire(
    repacked: Repacked,
    snapshot: RefSnapshot,
    survey: ObjectSurvey,
    isFull: boolean,
  ): Promise<void> {
    const nowMs = this.#storage.clock.nowMs();
    const before = await this.state();
    const retired = repacked.replaced.map((name) => ({ name, sinceMs: nowMs, dropsObjects: isFull }));
    const written = new Set(repacked.written);
    await this.#remember({
      retired: [...before.retired.filter(({ name }) => !written.has(name)), ...retired],
      ...(survey.looseObjects > 0 && { loosePackedAtMs: nowMs }),
      ...(isFull && { lastFullAtMs: nowMs, tipsAtRetirement: tipsOf(snapshot) }),
    });
  }

  /** Removes what has been retired long enough; nothing while a push is under way. Returns how many packs went. */
  async #removeRetired(task: MaintenanceTask): Promise<number> {
    const { disk, clock, settings } = this.#storage;
    const state = await this.state();
    const dueMs = clock.nowMs() - settings.retiredPackGraceMs;
    const due = state.retired.filter(({ sinceMs }) => sinceMs <= dueMs);
    const looseDue = state.loosePackedAtMs !== undefined && state.loosePackedAtMs <= dueMs;
    if (due.length === 0 && !looseDue) return 0;
    let removed = 0;
    await this.#host.pushes.alone(async () => {
      const names = new Set(due.map(({ name }) => name));
      const keeps = due.some((pack) => pack.dropsObjects) && !(await this.#isComplete(task, state, names));
      if (!keeps) {
        await removePacks(disk, task.gitDir, [...names]);
        removed = names.size;
      }
      // What cannot go is a pack like any other again; the next full repack deals with it.
      const retired = state.retired.filter(({ name }) => !names.has(name));
      await this.#remember({ retired }, looseDue ? ['loosePackedAtMs'] : []);
    });
    if (looseDue) await this.#removePackedLoose(task);
    if (removed > 0) {
      task.onProgress(`Removed ${removed} packs that were replaced\n`);
      await this.#host.packsRemoved();
    }
    return removed;
  }

  async #isComplete(
    task: MaintenanceTask,
    state: MaintenanceState,
    names: ReadonlySet<string>,
  ): Promise<boolean> {
    const tips = tipsOf(await this.#host.refs());
    return await isCompleteWithout(this.#storage, task, names, tips, state.tipsAtRetirement ?? []);
  }

  async #removePackedLoose({ gitDir, signal }: MaintenanceTask): Promise<void> {
    await this.#storage.git.run({ gitDir, args: ['prune-packed', '--quiet'], signal, background: true });
  }

  async #writeGraph(task: MaintenanceTask, force: boolean, whole: boolean): Promise<boolean> {
    const { maintenanceCommits } = this.#storage.settings;
    const enough = maintenanceCommits + 1;
    if (!force && !whole && (await this.#host.commitsOutsideGraph(enough)) < enough) return false;
    await writeCommitGraph(this.#storage, task, { whole: whole || force, changedPaths: true });
    return true;
  }

  /** Rarely and briefly, as no push can change a ref meanwhile. */
  async #packRefs({ gitDir, signal }: MaintenanceTask, force: boolean): Promise<boolean> {
    const { git, disk, settings } = this.#storage;
    const loose = await countFiles(disk, `${gitDir}/refs`, settings.maintenanceLooseRefs + 1);
    if (loose === 0 || (!force && loose <= settings.maintenanceLooseRefs)) return false;
    await this.#host.withRefsLocked(async () => {
      await git.run({ gitDir, args: ['pack-refs', '--all', '--prune'], signal });
    });
    return true;
  }

  async #expireReflogs(task: MaintenanceTask, force: boolean): Promise<number> {
    const nowMs = this.#storage.clock.nowMs();
    const { reflogsLookedAtMs = 0 } = await this.state();
    if (!force && nowMs - reflogsLookedAtMs < reflogIntervalMs) return 0;
    const forgotten = await expireReflogs(this.#storage, task.gitDir, task.signal, (work) =>
      this.#host.withRefsLocked(work),
    );
    await this.#remember({ reflogsLookedAtMs: nowMs });
    if (forgotten > 0) task.onProgress(`Forgot ${forgotten} reflog entries\n`);
    return forgotten;
  }

  async #nextRemovalAtMs(): Promise<number | undefined> {
    const { retired, loosePackedAtMs } = await this.state();
    const since = [
      ...retired.map(({ sinceMs }) => sinceMs),
      ...(loosePackedAtMs === undefined ? [] : [loosePackedAtMs]),
    ];
    return since.length === 0 ? undefined : Math.min(...since) + this.#storage.settings.retiredPackGraceMs;
  }

  async #remember(
    changes: Partial<MaintenanceState>,
    forget: readonly (keyof MaintenanceState)[] = [],
  ): Promise<void> {
    const { disk, random } = this.#storage;
    const next = Object.entries({ ...(await this.state()), ...changes }).filter(
      ([name]) => !forget.some((forgotten) => forgotten === name),
    );
    // The filtered fields are optional ones.
    await writeMaintenanceState(
      disk,
      random,
      this.#host.gitDir,
      Object.fromEntries(next) as unknown as MaintenanceState,
    );
  }
}

function tipsOf(snapshot: RefSnapshot): readonly string[] {
  const { head, refs } = snapshot;
  return [...new Set([...(head.oid === undefined ? [] : [head.oid]), ...refs.map(({ oid }) => oid)])];
}

async function isPartial({ disk }: Storage, gitDir: string): Promise<boolean> {
  const entries = (await unlessMissing(disk.list(`${gitDir}/objects/pack`))) ?? [];
  return entries.some(({ name }) => name.endsWith('.promisor'));
}

/** How many files are below a directory; `max` when there are at least so many. */
async function countFiles(disk: Storage['disk'], directory: string, max: number): Promise<number> {
  let count = 0;
  for (const { name, kind } of (await unlessMissing(disk.list(directory))) ?? []) {
    if (kind === 'directory') count += await countFiles(disk, `${directory}/${name}`, max - count);
    else if (!name.endsWith('.lock')) count += 1;
    if (count >= max) return max;
  }
  return count;
}
