import { type Clock, type Log, type ObjectFormat, PackhorseError, TurnMemo, zeroOid } from '#base';
import type { CommandResult, Head, Ref, RefCommand, RefSnapshot } from '#wire';
import type { Pusher } from '../agent.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type Disk, diskError } from '../volume/disk.ts';
import { RefFiles, type RefFilesState, resolveSymref } from './ref-files.ts';
import type { RefValue } from './loose-refs.ts';
import { LockFile } from './ref-lock.ts';
import { isStorableRefName } from './ref-name.ts';
import { cannotLock, mismatch, mismatchDetail } from './mismatch.ts';
import { atomicFailure, RefTransaction } from './ref-transaction.ts';
import type { TransactionContext, TransactionOptions, TransactionOutcome } from './transaction.ts';
import { type ReflogPolicy, Reflogs, reflogLine } from './reflog.ts';
import { ReflogBacklog } from './reflog-backlog.ts';
import { ObjectFacts, resolveHead, resolveRefs } from './resolve.ts';
import { Serial } from './serial.ts';
import { Snapshot } from './snapshot.ts';

export interface RefStoreOptions {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  /** `owned`: nobody else writes, refs live in memory. `shared`: others may write at any time, the disk is asked each time. */
  readonly mode: 'owned' | 'shared';
  /** Asked before each change. */
  readonly reflogPolicy: () => Promise<ReflogPolicy>;
  readonly objects: ObjectReader;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with the files, relative to the repository, that stay locked until the result is disposed. */
  readonly noteLocks?: TransactionContext['noteLocks'];
}

const noNote: TransactionContext['noteLocks'] = () =>
  Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() });

/** The refs of one repository: immutable snapshots for readers, transactions for the one writer. */
export class RefStore {
  readonly #options: RefStoreOptions;
  readonly #files: RefFiles;
  readonly #facts: ObjectFacts;
  readonly #backlog: ReflogBacklog;
  readonly #reading = new Serial();
  readonly #writing = new Serial();
  /** Requests that are answered together share one look at the disk. */
  readonly #looked = new TurnMemo<'now', Promise<RefSnapshot>>();
  #snapshot: Snapshot | undefined;
  /** What the disk said when it was last read. */
  #state: RefFilesState | undefined;
  #hasSymrefs = false;
  #nextReading: Promise<Snapshot> | undefined;
  #generation = 0;

  constructor(options: RefStoreOptions) {
    this.#options = options;
    const { gitDir, disk, objectFormat, clock } = options;
    this.#files = new RefFiles(gitDir, { disk, format: objectFormat, nowMs: () => clock.nowMs() });
    this.#facts = new ObjectFacts(options.objects);
    this.#backlog = new ReflogBacklog(disk, gitDir);
  }

  /** The refs now. Throws `data_loss` when they cannot be read. */
  async snapshot(): Promise<RefSnapshot> {
    if (this.#options.mode === 'owned' && this.#snapshot !== undefined) return this.#snapshot;
    return await this.#looked.get('now', () => this.#read());
  }

  /** What one ref (or HEAD) says on disk now; undefined when it does not exist. */
  value(name: string): Promise<RefValue | undefined> {
    return this.#files.value(name);
  }

  /**
   * Applies what is right among `commands`, or all or nothing with `atomic`. Results say what is
   * on disk, durably, when this resolves; nothing is thrown for a command that cannot be done.
   */
  async transact(
    commands: readonly RefCommand[],
    options: TransactionOptions,
  ): Promise<TransactionOutcome['results']> {
    if (options.atomic) return await this.#write(() => this.#transact(commands, options));
    // A deleted name makes room for names above and below it, so deletions come first.
    const isDeletion = (command: RefCommand): boolean =>
      command.newOid === zeroOid(this.#options.objectFormat);
    const deletions = commands.filter((command) => isDeletion(command));
    const others = commands.filter((command) => !isDeletion(command));
    return await this.#write(async () => {
      const deleted = await this.#transact(deletions, options);
      const written = await this.#transact(others, options);
      const results = [deleted.values(), written.values()] as const;
      return commands.map((command) => {
        const next = results[isDeletion(command) ? 0 : 1].next();
        if (next.done === true)
          throw new PackhorseError('internal', 'A ref command was left without a result.');
        return next.value;
      });
    });
  }

  /**
   * The results when it is clear, without changing anything, that no command can be done: so that a
   * push that lost a race ends before its objects are moved in. undefined when some may succeed.
   */
  async refusal(
    commands: readonly RefCommand[],
    atomic: boolean,
  ): Promise<readonly CommandResult[] | undefined> {
    const snapshot = await this.snapshot();
    const mismatches = commands.map((command) => {
      const oid = snapshot.get(command.name)?.oid;
      const current = oid === undefined ? undefined : ({ kind: 'oid', oid } as const);
      const reason = mismatch(command, current);
      if (reason === undefined) return undefined;
      return { reason, note: cannotLock(command.name, mismatchDetail(command, current)) };
    });
    const refused = mismatches.filter((each) => each !== undefined).length;
    if (refused === 0 || (refused < commands.length && !atomic)) return undefined;
    if (this.#options.mode === 'owned' && (await this.#isOutdated(snapshot, commands))) {
      this.#forget();
      return undefined;
    }
    return commands.map(({ name }, index) => ({
      name,
      status: 'rejected',
      ...(mismatches[index] ?? { reason: atomicFailure }),
    }));
  }

  /** Whether somebody, an operator with git perhaps, changed one of these refs behind our back. */
  async #isOutdated(snapshot: RefSnapshot, commands: readonly RefCommand[]): Promise<boolean> {
    for (const { name } of commands) {
      const known = snapshot.get(name);
      const value = await this.#files.value(known?.symref ?? name);
      if (known?.oid !== (value?.kind === 'oid' ? value.oid : undefined)) return true;
    }
    return false;
  }

  /** Makes HEAD name another branch, which need not exist yet. Throws `invalid_argument` for a bad name and `unavailable` when HEAD is locked. */
  async setHead(target: string, by: Pusher): Promise<void> {
    if (!isStorableRefName(target) || !target.startsWith('refs/heads/')) {
      throw new PackhorseError('invalid_argument', 'The default branch must be a valid branch name.');
    }
    await this.#write(async () => {
      const before = await this.snapshot();
      const head: Head = { symref: target, ...oidOf(before.get(target)) };
      try {
        await this.#writeHead(target, before.head, head, by);
      } catch (error) {
        this.#forget();
        throw diskError(error);
      }
      this.#update(new Map(), head);
    });
  }

  /** One change after the other; what was seen before one is not taken for what is there after it. */
  #write<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#writing.run(async () => {
      this.#looked.forget();
      try {
        return await work();
      } finally {
        this.#looked.forget();
      }
    });
  }

  /** Runs `work`, which may change how refs and reflogs are stored but no value, while no transaction runs. */
  async exclusively(work: () => Promise<void>): Promise<void> {
    await this.#write(async () => {
      await this.#settle();
      await work();
    });
  }

  async #writeHead(target: string, before: Head, after: Head, by: Pusher): Promise<void> {
    const { disk, clock, gitDir, objectFormat } = this.#options;
    await using _note = await (this.#options.noteLocks ?? noNote)(['HEAD']);
    const lock = await LockFile.acquire(disk, `${gitDir}/HEAD`, { clock, waitMs: 2_000 });
    if (typeof lock === 'string') {
      throw new PackhorseError('unavailable', 'HEAD is locked by another process, try again in a moment.');
    }
    try {
      await lock.write([Buffer.from(`ref: ${target}\n`)]);
      const zero = zeroOid(objectFormat);
      const line = reflogLine(
        before.oid ?? zero,
        after.oid ?? zero,
        by,
        clock.nowMs(),
        `HEAD set to ${target}`,
      );
      const reflogs = await this.#reflogs();
      if (reflogs.wants('HEAD')) await reflogs.append('HEAD', line, true);
      await lock.commit();
      await disk.syncDirectory(gitDir);
    } finally {
      await lock.release();
    }
  }

  /** Writes the reflogs that were put off. Never throws: the next opening tries again. */
  async settleReflogs(): Promise<void> {
    await this.#write(() => this.#settle());
  }

  async #settle(): Promise<void> {
    if (this.#options.mode === 'shared' || this.#backlog.isEmpty) return;
    try {
      await this.#backlog.settle(await this.#reflogs());
    } catch (error) {
      const { log, gitDir } = this.#options;
      log.warn('Reflogs that were put off could not be written.', { error, gitDir });
    }
  }

  async #reflogs(): Promise<Reflogs> {
    return new Reflogs(this.#options.disk, this.#options.gitDir, await this.#options.reflogPolicy());
  }

  async #transact(
    commands: readonly RefCommand[],
    options: TransactionOptions,
  ): Promise<TransactionOutcome['results']> {
    if (commands.length === 0) return [];
    // A log must not get a later line before an earlier one.
    await this.#settle();
    const { gitDir, objectFormat, disk, clock, log } = this.#options;
    const transaction = new RefTransaction(
      {
        gitDir,
        format: objectFormat,
        disk,
        clock,
        log,
        reflogs: await this.#reflogs(),
        owned: this.#options.mode === 'owned',
        snapshot: await this.snapshot(),
        danglingTarget: (name) => this.#danglingTarget(name),
        value: (name) => this.#files.value(name),
        state: () => this.#reading.run(() => this.#files.refresh()),
        noteLocks: this.#options.noteLocks ?? noNote,
        peel: (refs) => this.#facts.peel(refs),
        leadsNowhere: (value) => this.#facts.leadsNowhere(value),
      },
      commands,
      options,
    );
    const outcome = await transaction.run();
    if (this.#options.mode === 'owned' && !this.#backlog.isEmpty) void this.settleReflogs();
    // What follows other refs is rare enough to be read again rather than followed in memory.
    if (!outcome.clean || this.#hasSymrefs) this.#forget();
    else if (outcome.changes.size > 0) this.#update(outcome.changes);
    return outcome.results;
  }

  #danglingTarget(name: string): string | undefined {
    const state = this.#state;
    const value = state?.loose.get(name);
    if (state === undefined || value?.kind !== 'symref') return undefined;
    return resolveSymref(state, value)?.target;
  }

  /** In owned mode the snapshot in memory moves along with the disk. */
  #update(changes: ReadonlyMap<string, Ref | undefined>, head?: Head): void {
    const before = this.#snapshot;
    if (this.#options.mode === 'shared' || before === undefined) return;
    this.#snapshot = before.after(changes, head ?? headAfter(before.head, changes));
    this.#generation = this.#snapshot.generation;
    this.#facts.trim(this.#snapshot.refs);
  }

  /** The next reader asks the disk. */
  #forget(): void {
    this.#snapshot = undefined;
    this.#state = undefined;
  }

  /** One reading at a time; whoever comes while one runs shares the next, since the running one may have missed what they know of. */
  async #read(): Promise<Snapshot> {
    this.#nextReading ??= this.#reading.run(() => {
      this.#nextReading = undefined;
      return this.#readNow();
    });
    return await this.#nextReading;
  }

  async #readNow(): Promise<Snapshot> {
    // Whoever was waiting may have got it by now; a second look could be older than a transaction that just ended.
    if (this.#options.mode === 'owned' && this.#snapshot !== undefined) return this.#snapshot;
    const state = await this.#files.refresh();
    if (this.#snapshot !== undefined && this.#state === state) return this.#snapshot;
    const resolved = await resolveRefs(state, this.#facts);
    const refs = this.#options.mode === 'shared' ? await this.#facts.withoutDangling(resolved) : resolved;
    this.#generation += 1;
    this.#snapshot = new Snapshot(this.#generation, await resolveHead(state, this.#facts), refs);
    this.#state = state;
    this.#hasSymrefs = [...state.loose.values()].some((value) => value.kind === 'symref');
    this.#facts.trim(refs);
    return this.#snapshot;
  }
}

function oidOf(ref: Ref | undefined): { oid?: string } {
  return ref === undefined ? {} : { oid: ref.oid };
}

function headAfter(head: Head, changes: ReadonlyMap<string, Ref | undefined>): Head {
  const { symref } = head;
  return symref !== undefined && changes.has(symref) ? { symref, ...oidOf(changes.get(symref)) } : head;
}
