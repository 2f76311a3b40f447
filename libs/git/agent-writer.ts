import { type Asks, type Behaviour, type Refusal, refuse } from '#actor';
import { type Oid, PackhorseError } from '#base';
import type { CommandResult, CommitOptions, Quarantine, RefCommand } from '#wire';
import type { Pusher } from './agent.ts';
import { createCommit } from './agent-create-commit.ts';
import type { PoolRepository } from './pool-repository.ts';
import type { CreateCommitRequest } from './reader.ts';

export type WriterMessage =
  /** Accepts a push whose objects wait in `quarantine`. */
  | Asks<
      {
        readonly type: 'commit-push';
        readonly quarantine: Pick<Quarantine, 'commit'>;
        readonly commands: readonly RefCommand[];
        readonly options: CommitOptions;
      },
      readonly CommandResult[]
    >
  | Asks<{ readonly type: 'create-commit'; readonly request: CreateCommitRequest }, Oid>
  | Asks<{ readonly type: 'set-head'; readonly ref: string; readonly by: Pusher }, void>;

interface WriterState {
  readonly repository: PoolRepository;
}

/** The one agent that changes refs: one transaction after another. */
export const writerBehaviour: Behaviour<PoolRepository, WriterState, WriterMessage> = {
  kind: 'repository-writer',
  init: (repository) => ({ repository }),
  handle: {
    'commit-push': (_, { quarantine, commands, options }) =>
      answer(() => quarantine.commit(commands, options)),
    'create-commit': ({ repository }, { request }, self) =>
      answer(async () => {
        const { name, email } = request.committer;
        const disk = await repository.disk();
        const receiver = await disk.receivePack({ name, email });
        const objects = await repository.openObjects();
        try {
          return await createCommit(objects, receiver, request, self.signal);
        } finally {
          await repository.closeObjects(objects);
        }
      }),
    'set-head': ({ repository }, { ref, by }) =>
      answer(async () => {
        await (await repository.disk()).setHead(ref, by);
      }),
  },
  terminate: async ({ repository }) => {
    await repository.settle();
    await repository.handle.close();
  },
};

/** Errors that are answers are answered; a defect crashes the agent. */
async function answer<Result>(work: () => Promise<Result>): Promise<Result | Refusal> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PackhorseError) return refuse(error);
    throw error;
  }
}
