import {
  type ByteStream,
  type Clock,
  type Log,
  PackhorseError,
  type Settings,
  toPackhorseError,
} from '#base';
import type { OtherCopies, ReplicatedTransaction, Replication } from '#git';

/** One change as another copy takes part in it. */
export interface CopyChange extends AsyncDisposable {
  /** Resolves when the copy is ready for more. */
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves when the copy has noted it. */
  prepare(transaction: ReplicatedTransaction): Promise<void>;
  commit(id: string): Promise<void>;
  abort(id: string): Promise<void>;
}

/** The way to one other copy. */
export interface CopyLink {
  readonly volumeId: string;
  /** Begins a change there. */
  open(signal: AbortSignal): CopyChange;
}

/** What the primary of a repository knows of its copies at this moment. */
export interface CopiesNow {
  readonly epoch: number;
  /** Copies that must have a change on disk, the primary's own among them. */
  readonly durability: number;
  /** Other copies that are within reach and as far as the primary, as far as is known. */
  readonly links: readonly CopyLink[];
}

export interface QuorumOptions {
  /** Throws `unavailable` when this node is not the primary, or may not act as one now. */
  readonly now: () => CopiesNow;
  /** Hears of a copy that did not take part in a change to its end. */
  readonly onLag: (volumeId: string, error: PackhorseError) => void;
  readonly settings: Settings['cluster'];
  readonly clock: Clock;
  readonly log: Log;
}

/** Changes a repository together with as many of its other copies as its durability asks for. */
export class QuorumReplication implements Replication {
  readonly #options: QuorumOptions;

  constructor(options: QuorumOptions) {
    this.#options = options;
  }

  begin(signal: AbortSignal): Promise<OtherCopies> {
    try {
      const { epoch, durability, links } = this.#options.now();
      if (links.length < durability - 1) throw tooFew(durability);
      const changes = links.map((link) => [link.volumeId, link.open(signal)] as const);
      return Promise.resolve(
        new QuorumCopies({ ...this.#options, epoch, needed: durability - 1, changes: new Map(changes) }),
      );
    } catch (thrown) {
      return Promise.reject(toPackhorseError(thrown));
    }
  }
}

interface QuorumCopiesOptions extends Omit<QuorumOptions, 'now'> {
  readonly epoch: number;
  /** Other copies that must have noted the change. */
  readonly needed: number;
  readonly changes: ReadonlyMap<string, CopyChange>;
}

class QuorumCopies implements OtherCopies {
  readonly epoch: number;
  readonly #options: QuorumCopiesOptions;
  /** Copies that still take part. */
  readonly #live: Map<string, CopyChange>;
  /** Copies that were asked to note the transaction. */
  readonly #asked = new Set<string>();
  /** Copies that have noted it, and those of which that is not known yet. */
  readonly #preparing = new Map<string, Promise<void>>();
  #committing: Promise<void> = Promise.resolve();

  constructor(options: QuorumCopiesOptions) {
    this.epoch = options.epoch;
    this.#options = options;
    this.#live = new Map(options.changes);
  }

  async *tee(pack: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of pack) {
      // They read while we do.
      const sent = this.#each((change) => change.write(chunk));
      yield chunk;
      await sent;
      this.#requireEnough();
    }
  }

  async prepare(transaction: ReplicatedTransaction): Promise<void> {
    this.#requireEnough();
    const { needed } = this.#options;
    const enough = Promise.withResolvers<void>();
    let noted = 0;
    let open = this.#live.size;
    const check = (): void => {
      if (noted >= needed) enough.resolve();
      else if (noted + open < needed) enough.reject(tooFew(needed + 1));
    };
    for (const [volumeId, change] of this.#live) {
      this.#asked.add(volumeId);
      const note = async (): Promise<void> => {
        try {
          await this.#within(change.prepare(transaction));
          noted += 1;
        } catch (thrown) {
          this.#drop(volumeId, thrown);
        } finally {
          open -= 1;
          check();
        }
      };
      this.#preparing.set(volumeId, note());
    }
    check();
    await enough.promise;
  }

  /** Waits until as many have done it as a change needs: a reader there then finds it. The others follow. */
  async commit({ id }: ReplicatedTransaction): Promise<void> {
    const { needed } = this.#options;
    const enough = Promise.withResolvers<void>();
    let done = 0;
    const all = this.#each(async (change, volumeId) => {
      await this.#preparing.get(volumeId);
      if (!this.#live.has(volumeId)) return;
      await change.commit(id);
      done += 1;
      if (done >= needed) enough.resolve();
    });
    this.#committing = all;
    if (needed > 0) await Promise.race([enough.promise, all]);
  }

  async abort({ id }: ReplicatedTransaction): Promise<boolean> {
    let areAllTold = true;
    const told = [...this.#asked].map(async (volumeId) => {
      try {
        await this.#within(this.#options.changes.get(volumeId)?.abort(id) ?? Promise.resolve());
      } catch (thrown) {
        areAllTold = false;
        this.#drop(volumeId, thrown);
      }
    });
    await Promise.all(told);
    return areAllTold;
  }

  #requireEnough(): void {
    if (this.#live.size < this.#options.needed) throw tooFew(this.#options.needed + 1);
  }

  /** Has every copy that takes part do something; one that fails, or takes too long, takes part no longer. */
  async #each(work: (change: CopyChange, volumeId: string) => Promise<void>): Promise<void> {
    const working = Array.from(this.#live, async ([volumeId, change]) => {
      try {
        await this.#within(work(change, volumeId));
      } catch (thrown) {
        this.#drop(volumeId, thrown);
      }
    });
    await Promise.all(working);
  }

  async #within(work: Promise<void>): Promise<void> {
    const { clock, settings } = this.#options;
    const late = Promise.withResolvers<never>();
    const cancel = clock.after(settings.copyTimeoutMs, () =>
      late.reject(new PackhorseError('deadline_exceeded', 'Another copy of the repository is too slow.')),
    );
    try {
      await Promise.race([work, late.promise]);
    } finally {
      cancel();
    }
  }

  #drop(volumeId: string, thrown: unknown): void {
    if (!this.#live.delete(volumeId)) return;
    const error = toPackhorseError(thrown);
    this.#options.log.warn('a copy of a repository fell behind', { volumeId, error });
    this.#options.onLag(volumeId, error);
  }

  /** Does not wait for copies that nobody waits for. */
  [Symbol.asyncDispose](): Promise<void> {
    void this.#committing.then(() =>
      Promise.allSettled(
        Array.from(this.#options.changes.values(), (change) => change[Symbol.asyncDispose]()),
      ),
    );
    return Promise.resolve();
  }
}

function tooFew(durability: number): PackhorseError {
  return new PackhorseError(
    'unavailable',
    `fewer than ${durability} copies of this repository are within reach: nothing was changed, try again in a moment`,
    { metadata: { durability } },
  );
}
