import type { Clock, Log, ObjectFormat } from '#base';
import type { CommandResult, Ref, RefCommand, RefSnapshot } from '#wire';
import type { Pusher } from '../agent.ts';
import type { TransactionHook } from '../hooks/transaction-hook.ts';
import type { Disk } from '../volume/disk.ts';
import type { RefValue } from './loose-refs.ts';
import type { RefFilesState } from './ref-files.ts';
import type { Reflogs } from './reflog.ts';

export interface TransactionOptions {
  readonly atomic: boolean;
  readonly by: Pusher;
  /** What the reflogs say, such as `push`. */
  readonly message: string;
  /** Asked once all locks are held and everything is checked; told what became of it. */
  readonly hook?: TransactionHook;
  /** Asked after the hook, with what is really going to be done. */
  readonly participant?: TransactionParticipant;
}

/** Somebody without whom the transaction is not made, such as other copies of the repository. */
export interface TransactionParticipant {
  /** Makes sure, durably, that it can be done. Resolves to why it is not to be done, if so. */
  prepare(commands: readonly RefCommand[]): Promise<string | undefined>;
  /** It has been done, here and durably. */
  committed(): Promise<void>;
  /** It failed here after it had been prepared; nothing of it is left. */
  aborted(): Promise<void>;
}

/** What a transaction works on and with. */
export interface TransactionContext {
  readonly gitDir: string;
  readonly format: ObjectFormat;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly reflogs: Reflogs;
  /** Nobody else writes: refs that go to packed-refs together need no lock each. */
  readonly owned: boolean;
  /** The refs as they are before the transaction. */
  readonly snapshot: RefSnapshot;
  /** Where a symbolic ref leads whose target does not exist, and which is in no snapshot therefore. */
  readonly danglingTarget: (name: string) => string | undefined;
  /** What the disk says about one ref now. */
  readonly value: (name: string) => Promise<RefValue | undefined>;
  /** What the disk says about all refs now. */
  readonly state: () => Promise<RefFilesState>;
  readonly peel: (refs: readonly Ref[]) => Promise<readonly Ref[]>;
  /** Whether a value is none, or names an object that is not there: such a ref is shown to nobody. */
  readonly leadsNowhere: (value: RefValue) => Promise<boolean>;
  /** Called with the files, relative to the repository, that are locked until the result is disposed. */
  readonly noteLocks: (paths: readonly string[]) => Promise<AsyncDisposable>;
}

/** What became of a transaction. */
export interface TransactionOutcome {
  /** In the order of the commands. */
  readonly results: readonly CommandResult[];
  /** New values by real name, peeled; undefined for refs that are gone. */
  readonly changes: ReadonlyMap<string, Ref | undefined>;
  /** False when the disk failed or is not as it was remembered, so that it has to be read again. */
  readonly clean: boolean;
}
