import type { ReplicatedTransaction } from '#git';
import type { WireError } from '../rpc/wire-error.ts';

/** What nodes say to each other about copies of repositories. */
export const copyTopics = {
  /** An exchange: one change, from its pack to what became of it. */
  change: 'copy.change',
  /** A call: how far a copy is. */
  state: 'copy.state',
  /** A call: seals it. */
  seal: 'copy.seal',
  /** A call: makes it the primary. */
  promote: 'copy.promote',
  /** A stream: all of a copy, for another one to become like it. */
  contents: 'copy.contents',
  /** A call: this copy had better follow its primary anew. */
  follow: 'copy.follow',
} as const;

/** Which copy is meant. */
export interface CopyArgument {
  readonly repositoryId: string;
  readonly volumeId: string;
  readonly epoch: number;
}

export type ChangeMessage =
  | { readonly kind: 'pack'; readonly chunk: Uint8Array }
  /** The pack has been sent. */
  | { readonly kind: 'packed' }
  | { readonly kind: 'prepare'; readonly transaction: ReplicatedTransaction }
  | { readonly kind: 'commit' | 'abort'; readonly id: string };

/** To everything but a pack. */
export interface ChangeAnswer {
  readonly error?: WireError | undefined;
}

export interface ContentsArgument extends CopyArgument {
  /** Objects that the asking copy has, with everything that they lead to. */
  readonly haves: readonly string[];
  /** How far it is. */
  readonly lastId: string;
}
