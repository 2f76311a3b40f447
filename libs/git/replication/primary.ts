import { type Log, type Random, randomId, toPackhorseError } from '#base';
import type { RefCommand } from '#wire';
import type { TransactionParticipant } from '../refs/transaction.ts';
import { type CopyStateFile, type ReplicatedTransaction, superseded } from './copy-state.ts';
import type { OtherCopies } from './replication.ts';

/** What a client is told when nobody can say what will become of its push. */
const uncertain = 'the other copies did not answer: look at the refs before you try again';

/** What a change is about, besides its commands. */
export type ChangeDetails = Pick<ReplicatedTransaction, 'by' | 'message' | 'head' | 'shallows'>;

/**
 * The primary's part in a change of refs that several copies make (two-phase commit with a presumed
 * outcome of the primary's): the copies note it, then it is done here, then there. What one of them
 * has noted, whoever becomes the primary after this one does.
 */
export function primaryParticipant(
  state: CopyStateFile,
  copies: OtherCopies,
  details: ChangeDetails,
  { log, random }: { readonly log: Log; readonly random: Random },
): TransactionParticipant {
  let transaction: ReplicatedTransaction | undefined;
  const giveUp = async (): Promise<boolean> => {
    if (transaction === undefined) return true;
    const { epoch, generation } = transaction;
    const isKnown = await copies.abort(transaction).catch(() => false);
    // Its number is not used again, unless this copy follows another one by now.
    await state.write((now) => (now.epoch > epoch ? {} : { prepared: undefined, generation }));
    transaction = undefined;
    return isKnown;
  };
  return {
    async prepare(commands: readonly RefCommand[]) {
      const { generation, lastId } = await state.current();
      const noted: ReplicatedTransaction = {
        epoch: copies.epoch,
        generation: generation + 1,
        id: randomId(random),
        previousId: lastId,
        commands,
        ...details,
      };
      transaction = noted;
      const outcomes = await Promise.allSettled([
        state.write((now) => {
          if (Math.max(now.sealedEpoch, now.epoch) > noted.epoch) throw superseded(noted.epoch, now);
          return { prepared: noted, isPrimary: true };
        }),
        copies.prepare(noted),
      ]);
      const failed = outcomes.find((each) => each.status === 'rejected');
      if (failed === undefined) return undefined;
      const error = toPackhorseError(failed.reason);
      log.warn('a change did not reach enough copies', { error });
      return (await giveUp()) ? error.message : uncertain;
    },
    async committed() {
      if (transaction === undefined) return;
      await state.advance(transaction.id);
      await copies.commit(transaction);
    },
    async aborted() {
      await giveUp();
    },
  };
}
