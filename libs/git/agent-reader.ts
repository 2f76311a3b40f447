import { type Asks, type Behaviour, type Refusal, refuse, type Self } from '#actor';
import { type ByteStream, type Oid, PackhorseError } from '#base';
import type { RefSnapshot } from '#wire';
import type { SharedHandle } from './pool-handle.ts';
import type { PoolRepository } from './pool-repository.ts';
import { RepositoryReads } from './read/repository-reads.ts';
import type { RepositoryReader } from './reader.ts';

/** The reads that are answered with a value. */
export type ValueReads = Omit<RepositoryReader, 'blobContent'>;

export type ReaderMessage =
  /** One method of RepositoryReader; plain data, so it may come from another node. */
  | Asks<
      { readonly type: 'read'; readonly method: keyof ValueReads; readonly args: readonly unknown[] },
      unknown
    >
  /** Opens a blob; its content is pulled after this turn. */
  | Asks<{ readonly type: 'open-blob'; readonly oid: Oid }, ByteStream>
  | Asks<
      { readonly type: 'transaction'; readonly work: (reader: RepositoryReader) => Promise<unknown> },
      unknown
    >
  /** Somebody is there: keeps the pool open. */
  | { readonly type: 'touch' };

interface ReaderState {
  readonly repository: PoolRepository;
  readonly handle: SharedHandle;
}

/** One reader agent: a handle of its own, and one read at a time. */
export function readerBehaviour(
  mailboxMessages: number,
): Behaviour<PoolRepository, ReaderState, ReaderMessage> {
  return {
    kind: 'repository-reader',
    mailboxMessages,
    init: (repository) => ({ repository, handle: repository.openHandle() }),
    handle: {
      read: (state, { method, args }, self) =>
        turn(state, { signal: self.signal }, (reads) => {
          // The sender's types say which arguments belong to which method.
          const call = reads[method] as (...args: readonly unknown[]) => Promise<unknown>;
          return call.call(reads, ...args);
        }),
      // The stream outlives the turn, and the pool, so it does not end with them.
      'open-blob': (state, { oid }) => turn(state, {}, (reads) => reads.openBlob(oid)),
      transaction: (state, { work }, self) => transaction(state, work, self),
      touch: () => undefined,
    },
    terminate: ({ repository, handle }) => repository.closeHandle(handle),
  };
}

async function transaction(
  state: ReaderState,
  work: (reader: RepositoryReader) => Promise<unknown>,
  self: Self<ReaderMessage>,
): Promise<unknown> {
  let snapshot: Promise<RefSnapshot> | undefined;
  const refs = (): Promise<RefSnapshot> => (snapshot ??= state.repository.refs());
  return await turn(state, { refs, signal: self.signal }, work);
}

/**
 * One read. Whatever is a proper answer, errors included, is answered; anything else is a defect and
 * crashes the agent, which starts again with a fresh handle.
 */
async function turn<Result>(
  state: ReaderState,
  options: { readonly refs?: () => Promise<RefSnapshot>; readonly signal?: AbortSignal },
  work: (reads: RepositoryReads) => Promise<Result>,
): Promise<Result | Refusal> {
  try {
    return await state.handle.use(async (objects) => {
      const context = await state.repository.context(objects, options);
      return await work(new RepositoryReads(context));
    });
  } catch (error) {
    if (error instanceof PackhorseError) return refuse(error);
    throw error;
  }
}
