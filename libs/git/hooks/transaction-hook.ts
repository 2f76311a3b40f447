import type { CommitOptions, HookRunner, RefCommand } from '#wire';

/** How far a ref transaction is (githooks, "reference-transaction"). */
export type TransactionState = 'prepared' | 'committed' | 'aborted';

/** Is told about a ref transaction; what it says counts only for `prepared`: false ends it. */
export type TransactionHook = (state: TransactionState, commands: readonly RefCommand[]) => Promise<boolean>;

/** The reference-transaction hook of a repository; undefined when it has none. */
export async function transactionHook(
  hooks: HookRunner | undefined,
  { onOutput }: Pick<CommitOptions, 'onOutput'>,
): Promise<TransactionHook | undefined> {
  if (hooks === undefined || !(await hooks.has('reference-transaction'))) return undefined;
  return (state, commands) =>
    hooks.run({
      name: 'reference-transaction',
      args: [state],
      input: input(commands),
      onOutput: onOutput ?? (() => Promise.resolve()),
    });
}

async function* input(commands: readonly RefCommand[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(commands.map(({ oldOid, newOid, name }) => `${oldOid} ${newOid} ${name}\n`).join(''));
}
