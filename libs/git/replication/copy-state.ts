import { type Oid, PackhorseError } from '#base';
import type { RefCommand } from '#wire';
import { type Disk, unlessMissing, writeNewFile } from '../volume/disk.ts';

/**
 * A change of refs on its way to several copies of a repository: what each of them notes, durably,
 * before any of them does it.
 */
export interface ReplicatedTransaction {
  /** Of the placement under which the primary acts. */
  readonly epoch: number;
  /** The one that it leads to. Numbers are never used again, not even that of a transaction that was given up. */
  readonly generation: number;
  /** Random. */
  readonly id: string;
  /** The transaction that was done last before it; empty for the first one. */
  readonly previousId: string;
  readonly commands: readonly RefCommand[];
  /** What HEAD is to name. */
  readonly head?: string | undefined;
  /** Commits at which history ends from now on. */
  readonly shallows?: readonly Oid[] | undefined;
  readonly by: { readonly name: string; readonly email: string };
  readonly message: string;
}

/** How far one copy is. Copies are compared by epoch, then generation. */
export interface CopyState {
  /** 0 before the copy holds anything. */
  readonly epoch: number;
  readonly generation: number;
  /** The transaction that was done last. */
  readonly lastId: string;
  /** Nothing of a lower epoch is taken any more. */
  readonly sealedEpoch: number;
  /** Noted, but neither done nor given up. */
  readonly prepared?: ReplicatedTransaction | undefined;
  /** It was the primary when this was written. */
  readonly isPrimary: boolean;
  /** Its refs are being replaced: it holds neither the old ones nor the new. */
  readonly isTorn: boolean;
}

const fileName = 'packhorse-copy';
const formatVersion = 1;

const empty: CopyState = {
  epoch: 0,
  generation: 0,
  lastId: '',
  sealedEpoch: 0,
  isPrimary: false,
  isTorn: false,
};

/**
 * The state of a copy, in a file of the repository directory. What must outlive a crash is written
 * through; that a transaction was done is only remembered, for whoever starts again does it again.
 */
export class CopyStateFile {
  readonly #disk: Disk;
  readonly #gitDir: string;
  #state: CopyState | undefined;
  #opening: Promise<CopyState | undefined> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, gitDir: string) {
    this.#disk = disk;
    this.#gitDir = gitDir;
  }

  /** undefined for a repository that has no other copies and never had. Throws `data_loss` when the file is damaged. */
  async read(): Promise<CopyState | undefined> {
    if (this.#state !== undefined) return this.#state;
    this.#opening ??= this.#load();
    this.#state ??= await this.#opening;
    this.#opening = undefined;
    return this.#state;
  }

  /** The same, where an absent one stands for a copy that holds nothing. */
  async current(): Promise<CopyState> {
    return (await this.read()) ?? empty;
  }

  /**
   * Durable when it resolves. A function decides on the state as it is at its turn, and may throw:
   * between what it sees and what is written nothing else is.
   */
  write(change: Partial<CopyState> | ((now: CopyState) => Partial<CopyState>)): Promise<void> {
    return this.#inTurn(async () => {
      const now = await this.current();
      const state = { ...now, ...(typeof change === 'function' ? change(now) : change) };
      await this.#store(state);
      this.#state = state;
    });
  }

  /** Remembers that the prepared transaction of this id has been done. */
  advance(id: string): Promise<void> {
    return this.#inTurn(async () => {
      const { prepared, ...state } = await this.current();
      if (prepared?.id !== id) return;
      const { epoch, generation } = prepared;
      this.#state = { ...state, epoch, generation, lastId: id };
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #store(state: CopyState): Promise<void> {
    const path = `${this.#gitDir}/${fileName}`;
    await unlessMissing(this.#disk.unlink(`${path}.lock`));
    await writeNewFile(
      this.#disk,
      `${path}.lock`,
      Buffer.from(`${JSON.stringify({ format: formatVersion, ...state })}\n`),
    );
    await this.#disk.rename(`${path}.lock`, path);
    await this.#disk.syncDirectory(this.#gitDir);
  }

  async #load(): Promise<CopyState | undefined> {
    const bytes = await unlessMissing(this.#disk.read(`${this.#gitDir}/${fileName}`));
    if (bytes === undefined) return undefined;
    try {
      const { format, ...state } = JSON.parse(bytes.toString()) as CopyState & { readonly format: number };
      if (format === formatVersion) return state;
    } catch (cause) {
      throw new PackhorseError('data_loss', 'The file that says how far this copy is, is damaged.', {
        cause,
      });
    }
    throw new PackhorseError(
      'failed_precondition',
      'This copy was written by a newer version of this server.',
    );
  }
}

/** How far a copy would be with what it has noted; (0, 0) for a torn one. */
export function reachOf({ epoch, generation, prepared, isTorn }: CopyState): Reach {
  if (isTorn) return { epoch: 0, generation: 0 };
  return prepared ?? { epoch, generation };
}

type Reach = Pick<CopyState, 'epoch' | 'generation'>;

/** Positive when `one` is further than `other`. */
export function compareReach(one: Reach, other: Reach): number {
  return one.epoch - other.epoch || one.generation - other.generation;
}

/** Positive when `one` is further than `other`, with what they have noted. */
export function compareCopies(one: CopyState, other: CopyState): number {
  return compareReach(reachOf(one), reachOf(other));
}

/** What a copy answers to a primary of the past. */
export function superseded(epoch: number, { sealedEpoch, epoch: own }: CopyState): PackhorseError {
  return new PackhorseError(
    'failed_precondition',
    'Another copy has become the primary of this repository.',
    {
      metadata: { epoch, sealedEpoch, own, isSuperseded: true },
    },
  );
}
