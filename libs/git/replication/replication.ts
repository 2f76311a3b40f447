import type { ByteStream } from '#base';
import type { ReplicatedTransaction } from './copy-state.ts';

/** How the primary of a repository reaches its other copies; the cluster gives it. */
export interface Replication {
  /**
   * Begins a change of refs. Throws `unavailable` when this node may not write to the repository now,
   * or when fewer other copies are within reach than a change needs.
   */
  begin(signal: AbortSignal): Promise<OtherCopies>;
}

/** The other copies that take part in one change. Dispose it when the change is over. */
export interface OtherCopies extends AsyncDisposable {
  /** Of the placement; the change is made under it. */
  readonly epoch: number;
  /** `pack` as it is, with every chunk sent to the other copies as well; not faster than they take it. */
  tee(pack: ByteStream): ByteStream;
  /**
   * Has the other copies note the transaction. Resolves when as many have as a change needs;
   * otherwise throws, and then none of them is going to do it, unless the error is `UncertainOutcome`.
   */
  prepare(transaction: ReplicatedTransaction): Promise<void>;
  /** The transaction is done here: now they do it. Waits for those within reach, for a moment. */
  commit(transaction: ReplicatedTransaction): Promise<void>;
  /** The transaction is not going to be done. True when every copy that may have noted it knows. */
  abort(transaction: ReplicatedTransaction): Promise<boolean>;
}
