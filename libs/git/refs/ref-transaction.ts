import { setImmediate as nextTurn } from 'node:timers/promises';
import { isZeroOid } from '#base';
import type { CommandResult, Ref, RefCommand } from '#wire';
import { diskError, forEachBounded, unlessMissing } from '../volume/disk.ts';
import type { TransactionState } from '../hooks/transaction-hook.ts';
import { NameConflicts } from './conflicts.ts';
import { cannotLock, mismatch, mismatchDetail } from './mismatch.ts';
import type { RefValue } from './loose-refs.ts';
import { RefChanges } from './ref-changes.ts';
import { findPacked, type RefFilesState } from './ref-files.ts';
import { LockFile } from './ref-lock.ts';
import { isStorableRefName } from './ref-name.ts';
import { reflogLine, removeEmptyParents } from './reflog.ts';
import { ReflogBacklog, type ReflogEntry } from './reflog-backlog.ts';
import { merge } from './snapshot.ts';
import type { TransactionContext, TransactionOptions, TransactionOutcome } from './transaction.ts';

/** More writes than this go to packed-refs in one piece instead of one file each. */
export const packedThreshold = 64;
const lockWaitMs = 2_000;
const concurrency = 8;
/** Locks taken before others get their turn. */
const locksPerTurn = 64;

/** Why the commands of an atomic push fail that had nothing wrong themselves. */
export const atomicFailure = 'atomic transaction failed';

type Kind = 'create' | 'update' | 'delete' | 'none';

interface Step {
  readonly command: RefCommand;
  kind: Kind;
  /** The ref that is really changed: what a symbolic ref names. */
  readonly name: string;
  lock?: LockFile;
  /** There is a loose file, with this content. */
  loose?: RefValue;
  /** What is there leads nowhere. */
  isCorrupt?: boolean;
  rejected?: string;
  /** What git would say of it. */
  note?: string;
}

/** One ref transaction over the `files` backend (gitrepository-layout, `refs`), side by side with git itself. */
export class RefTransaction {
  readonly #context: TransactionContext;
  readonly #options: TransactionOptions;
  readonly #steps: readonly Step[];
  readonly #changes: RefChanges;
  readonly #toPacked: boolean;
  #packedLock: LockFile | undefined;
  #state: RefFilesState | undefined;
  #clean = true;
  /** The participant waits for an outcome. */
  #isPrepared = false;

  constructor(context: TransactionContext, commands: readonly RefCommand[], options: TransactionOptions) {
    this.#context = context;
    this.#options = options;
    this.#changes = new RefChanges(context);
    this.#steps = commands.map((command) => ({
      command,
      kind: kindOf(command),
      name: realName(command.name, context),
    }));
    const writes = this.#steps.filter((step) => step.kind === 'create' || step.kind === 'update');
    this.#toPacked = writes.length > packedThreshold;
  }

  /** Never throws for what is wrong with a command or the disk: the results say it. */
  async run(): Promise<TransactionOutcome> {
    let changes: ReadonlyMap<string, Ref | undefined> = new Map();
    let note: AsyncDisposable | undefined;
    try {
      this.#checkNames();
      note = await this.#context.noteLocks([
        ...this.#steps.filter(isPending).map((step) => step.name),
        'packed-refs',
      ]);
      await this.#lock();
      await this.#verify();
      if (this.#options.atomic && this.#steps.some((step) => step.rejected !== undefined)) {
        this.#rejectPending(atomicFailure);
      }
      await this.#askHook();
      await this.#askParticipant();
      changes = await this.#apply(this.#steps.filter(isPending));
      await this.#tellHook('committed', this.#steps.filter(isPending));
    } catch (error) {
      this.#clean = false;
      this.#context.log.warn('A ref transaction failed.', { error, gitDir: this.#context.gitDir });
      await this.#changes.takeBack();
      await this.#tellParticipant('aborted');
      this.#rejectPending(diskError(error).message);
      changes = new Map();
    }
    await this.#tellParticipant('committed');
    await this.#tidy(note);
    return { results: this.#steps.map(resultOf), changes, clean: this.#clean };
  }

  async #askHook(): Promise<void> {
    const pending = this.#steps.filter(isPending);
    if (await this.#tellHook('prepared', pending)) return;
    this.#rejectPending('ref updates aborted by hook');
    await this.#tellHook('aborted', pending);
  }

  async #askParticipant(): Promise<void> {
    const { participant } = this.#options;
    const pending = this.#steps.filter(isPending);
    if (participant === undefined || pending.length === 0) return;
    const refusal = await participant.prepare(pending.map(commandAsStored));
    if (refusal === undefined) this.#isPrepared = true;
    else this.#rejectPending(refusal);
  }

  /** Never throws: what has become of the refs does not depend on it any more. */
  async #tellParticipant(outcome: 'committed' | 'aborted'): Promise<void> {
    if (!this.#isPrepared) return;
    this.#isPrepared = false;
    try {
      await this.#options.participant?.[outcome]();
    } catch (error) {
      this.#context.log.warn('Others could not be told of a ref transaction.', { error, outcome });
    }
  }

  async #tellHook(state: TransactionState, steps: readonly Step[]): Promise<boolean> {
    const { hook } = this.#options;
    if (hook === undefined || steps.length === 0) return true;
    const commands = steps.map((step) => step.command);
    return await hook(state, commands);
  }

  #rejectPending(reason: string): void {
    for (const step of this.#steps) step.rejected ??= reason;
  }

  #checkNames(): void {
    const targets = new Map<string, Step>();
    for (const step of this.#steps) {
      if (!isStorableRefName(step.name) && step.kind !== 'delete') step.rejected = 'invalid ref name';
      // A deletion may name what git would not let anyone create any more, but never leave `refs`.
      else if (!isInsideRefs(step.name)) step.rejected = 'invalid ref name';
      else if (targets.has(step.name)) step.rejected = 'ref updated more than once';
      else targets.set(step.name, step);
    }
  }

  /** Locks every ref, and packed-refs where it will be rewritten. Locks are taken in the order of names, so that two transactions cannot wait for each other. */
  async #lock(): Promise<void> {
    const pending = this.#steps.filter(isPending);
    if (!(this.#toPacked && this.#context.owned)) {
      const ordered = [...pending].sort((one, other) => (one.name < other.name ? -1 : 1));
      let like: LockFile | undefined;
      for (const [index, step] of ordered.entries()) {
        if (index % locksPerTurn === locksPerTurn - 1) await nextTurn();
        await this.#lockRef(step, like);
        // What goes to packed-refs is not written into locks.
        if (this.#toPacked) like ??= step.lock;
      }
    }
    if (!this.#toPacked && !pending.some((step) => step.kind === 'delete')) return;
    const lock = await this.#acquire('packed-refs');
    if (typeof lock === 'string') this.#rejectPending('packed-refs is locked by another process');
    else this.#packedLock = lock;
  }

  async #lockRef(step: Step, like: LockFile | undefined): Promise<void> {
    const lock = await this.#acquire(step.name, like);
    if (lock === 'held') {
      reject(
        step,
        'the ref is locked by another process',
        `Unable to create '${step.name}.lock': File exists.`,
      );
    } else if (lock === 'directory-conflict') {
      const reason = new NameConflicts(this.#context.snapshot).accept(step.name);
      reject(step, reason ?? 'a ref of that name conflicts with an existing ref');
    } else {
      step.lock = lock;
      for (const directory of lock.madeIn) this.#changes.touched(directory);
    }
  }

  #acquire(name: string, like?: LockFile): ReturnType<typeof LockFile.acquire> {
    return LockFile.acquire(this.#context.disk, this.#path(name), {
      clock: this.#context.clock,
      waitMs: lockWaitMs,
      like,
    });
  }

  #path(name: string): string {
    return `${this.#context.gitDir}/${name}`;
  }

  /** Compares every old value with the disk, and every new name with the others. */
  async #verify(): Promise<void> {
    const pending = this.#steps.filter(isPending);
    if (this.#toPacked || this.#packedLock !== undefined) this.#state = await this.#context.state();
    await forEachBounded(pending, concurrency, async (step) => {
      const current = await this.#currentSeen(step);
      if (step.kind === 'delete' && current === undefined && step.isCorrupt !== true) step.kind = 'none';
      // Somebody else wrote: what is remembered about the other refs is in doubt as well.
      const oid = current?.kind === 'oid' ? current.oid : undefined;
      if (this.#context.snapshot.get(step.name)?.oid !== oid) this.#clean = false;
      const reason = mismatch(step.command, current);
      if (reason !== undefined) reject(step, reason, mismatchDetail(step.command, current));
    });
    const conflicts = new NameConflicts(this.#context.snapshot);
    for (const step of pending.filter(isPending)) {
      if (step.kind !== 'create') continue;
      const reason = conflicts.accept(step.name);
      if (reason !== undefined) reject(step, reason);
    }
  }

  /** What somebody who knows of nothing there may replace or delete counts as nothing: what leads nowhere. */
  async #currentSeen(step: Step): Promise<RefValue | undefined> {
    const value = await this.#current(step);
    if (value === undefined || !isZeroOid(step.command.oldOid)) return value;
    step.isCorrupt = await this.#context.leadsNowhere(value);
    return step.isCorrupt ? undefined : value;
  }

  async #current(step: Step): Promise<RefValue | undefined> {
    const state = this.#state;
    if (state === undefined) {
      const value = await this.#context.value(step.name);
      if (value !== undefined) step.loose = value;
      return value;
    }
    const loose = state.loose.get(step.name);
    if (loose !== undefined) step.loose = loose;
    const packed = findPacked(state.packed, step.name);
    return loose ?? (packed === undefined ? undefined : { kind: 'oid', oid: packed.oid });
  }

  /** Everything that changes the disk; from here on a failure takes all of it back. */
  async #apply(steps: readonly Step[]): Promise<ReadonlyMap<string, Ref | undefined>> {
    const written = steps.filter((step) => step.kind === 'create' || step.kind === 'update');
    const deleted = steps.filter((step) => step.kind === 'delete');
    const refs = await this.#context.peel(
      written.map((step) => ({ name: step.name, oid: step.command.newOid })),
    );
    const changes = new Map<string, Ref | undefined>(refs.map((ref) => [ref.name, ref]));
    for (const step of deleted) changes.set(step.name, undefined);
    await this.#writeValuesAndLogs(written);
    await this.#rewritePacked(changes);
    if (this.#putsLogsOff) await this.#putLogsOff(written);
    if (this.#toPacked) await this.#removeLoose([...written, ...deleted]);
    else {
      for (const { name, lock, loose } of written) await this.#changes.replaceLoose(name, lock, loose);
      await this.#removeLoose(deleted);
    }
    await this.#changes.sync();
    return changes;
  }

  /** Where nobody else writes, thousands of reflogs are written after the refs. */
  get #putsLogsOff(): boolean {
    return this.#toPacked && this.#context.owned;
  }

  /** The lines that `steps` add to reflogs. */
  *#reflogEntries(steps: readonly Step[]): Generator<ReflogEntry, void, undefined> {
    const { reflogs, snapshot, clock } = this.#context;
    const { by, message } = this.#options;
    for (const { name, command } of steps) {
      for (const log of snapshot.head.symref === name ? [name, 'HEAD'] : [name]) {
        if (!reflogs.wants(log)) continue;
        yield { log, line: reflogLine(command.oldOid, command.newOid, by, clock.nowMs(), message) };
      }
    }
  }

  /** New values, into the locks, and reflogs side by side: the disk then makes them durable together. */
  async #writeValuesAndLogs(steps: readonly Step[]): Promise<void> {
    const { reflogs } = this.#context;
    // Thousands of new logs are not worth thousands of fsyncs: the refs themselves are durable.
    const durable = !this.#toPacked;
    const values = this.#toPacked ? [] : steps;
    const entries = this.#putsLogsOff ? [] : [...this.#reflogEntries(steps)];
    const writes = [
      ...values.map((step) => () => step.lock?.write([Buffer.from(`${step.command.newOid}\n`)])),
      ...entries.map(({ log, line }) => async () => {
        this.#changes.done(await reflogs.append(log, line, durable));
      }),
    ];
    await forEachBounded(writes, concurrency, async (write) => await write());
  }

  async #putLogsOff(steps: readonly Step[]): Promise<void> {
    const { disk, gitDir } = this.#context;
    const entries = [...this.#reflogEntries(steps)];
    if (entries.length > 0) this.#changes.done(await new ReflogBacklog(disk, gitDir).add(entries));
  }

  /** Replaces packed-refs where it has to change: for what is written to it and for deletions. */
  async #rewritePacked(changes: ReadonlyMap<string, Ref | undefined>): Promise<void> {
    const before = this.#state?.packed;
    if (this.#packedLock === undefined || before === undefined) return;
    const inPacked = [...changes].filter(
      ([name, ref]) =>
        (this.#toPacked && ref !== undefined) ||
        (ref === undefined && findPacked(before, name) !== undefined),
    );
    if (inPacked.length === 0) return;
    const complete = before.peeling === 'all' ? before.refs : await this.#context.peel(before.refs);
    // Durable before any loose file goes: an older packed value must never come back in its place.
    await this.#changes.replacePacked(before, {
      refs: merge(complete, new Map(inPacked)),
      peeling: 'all',
    });
  }

  async #removeLoose(steps: readonly Step[]): Promise<void> {
    await forEachBounded(steps, concurrency, async ({ name, loose }) => {
      if (loose !== undefined) await this.#changes.removeLoose(name, loose);
    });
  }

  /** Releases locks, and removes logs and directories that deleted refs leave behind. What fails here changes no ref. */
  async #tidy(note: AsyncDisposable | undefined): Promise<void> {
    const { disk, gitDir, reflogs, log } = this.#context;
    const attempt = async (work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        log.warn('Could not tidy up after a ref transaction.', { error, gitDir });
      }
    };
    const unlocked = new Set<string>();
    const release = async (lock: LockFile | undefined): Promise<void> => {
      if ((await lock?.release()) === true && lock !== undefined) unlocked.add(lock.directory);
    };
    await attempt(() => release(this.#packedLock));
    await forEachBounded(this.#steps, concurrency, async (step) => {
      if (step.kind === 'delete' && isPending(step)) await attempt(() => reflogs.remove(step.name));
      await attempt(() => release(step.lock));
    });
    // A lock must not come back with the power when the note that leads to it does not.
    await forEachBounded(unlocked, concurrency, (path) =>
      attempt(() => unlessMissing(disk.syncDirectory(path))),
    );
    const emptied = this.#steps.filter(
      (step) => step.kind === 'delete' || !isPending(step) || this.#toPacked,
    );
    await attempt(() =>
      removeEmptyParents(disk, gitDir, emptied.map((step) => step.name).filter(isInsideRefs)),
    );
    await attempt(async () => note?.[Symbol.asyncDispose]());
  }
}

/** The ref that is changed under a name: a symbolic one stays what it is. */
function realName(name: string, { snapshot, danglingTarget }: TransactionContext): string {
  const ref = snapshot.get(name);
  return (ref === undefined ? danglingTarget(name) : ref.symref) ?? name;
}

function kindOf(command: RefCommand): Kind {
  if (isZeroOid(command.newOid)) return 'delete';
  if (isZeroOid(command.oldOid)) return 'create';
  return command.oldOid === command.newOid ? 'none' : 'update';
}

/** Names the ref that is really changed. */
function commandAsStored({ name, command: { oldOid, newOid } }: Step): RefCommand {
  return { name, oldOid, newOid };
}

function isPending(step: Step): boolean {
  return step.rejected === undefined;
}

function isInsideRefs(name: string): boolean {
  return (
    name.startsWith('refs/') &&
    !name.includes('\0') &&
    name.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  );
}

function resultOf(step: Step): CommandResult {
  const { name } = step.command;
  const { rejected: reason, note, kind, isCorrupt = false } = step;
  if (reason === undefined)
    return { name, status: 'ok', ...(kind === 'delete' && isCorrupt && { wasCorrupt: true }) };
  return { name, status: 'rejected', reason, ...(note === undefined ? {} : { note }) };
}

function reject(step: Step, reason: string, detail = reason): void {
  step.rejected = reason;
  step.note = cannotLock(step.name, detail);
}
