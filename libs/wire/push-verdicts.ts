import type { CommandResult, RefCommand, RefReport } from './repository.ts';

type Verdict =
  | { readonly kind: 'ok'; readonly reports: readonly RefReport[]; readonly moved: boolean }
  | { readonly kind: 'refused'; readonly reason: string };

/** What became of each command of a push so far, and what the user is to be told of it. */
export class PushVerdicts {
  readonly #commands: readonly RefCommand[];
  readonly #verdicts = new Map<RefCommand, Verdict>();
  #notes = '';

  constructor(commands: readonly RefCommand[]) {
    this.#commands = commands;
  }

  /** Commands of which nothing is known yet. */
  get open(): readonly RefCommand[] {
    return this.#commands.filter((command) => !this.#verdicts.has(command));
  }

  get anyRefused(): boolean {
    return this.#verdicts.values().some(({ kind }) => kind === 'refused');
  }

  /** Commands that succeeded and changed something. */
  get done(): readonly RefCommand[] {
    return this.#commands.filter((command) => {
      const verdict = this.#verdicts.get(command);
      return verdict?.kind === 'ok' && verdict.moved;
    });
  }

  /** The first refusal counts; undefined is none. */
  refuse(command: RefCommand, reason: string | undefined): void {
    if (reason === undefined || this.#verdicts.get(command)?.kind === 'refused') return;
    this.#verdicts.set(command, { kind: 'refused', reason });
  }

  refuseOpen(reason: string, applies = true): void {
    if (applies) for (const command of this.open) this.refuse(command, reason);
  }

  refuseAll(reason: string): void {
    this.#verdicts.clear();
    this.refuseOpen(reason);
  }

  /** Somebody else did it: a hook, or the command for the ref that a symbolic one names. */
  accept(command: RefCommand, reports: readonly RefReport[] = []): void {
    if (!this.#verdicts.has(command)) this.#verdicts.set(command, { kind: 'ok', reports, moved: true });
  }

  /** Hooks are not to hear of a command that had nothing to do. */
  forget(command: RefCommand): void {
    const verdict = this.#verdicts.get(command);
    if (verdict?.kind === 'ok') this.#verdicts.set(command, { ...verdict, moved: false });
  }

  /** Takes over what a ref transaction says, one result for each of `commands`; an atomic one fails as one. */
  settle(commands: readonly RefCommand[], results: readonly CommandResult[], atomic: boolean): void {
    for (const [index, command] of commands.entries()) {
      const result = results[index];
      if (result?.status === 'ok') this.accept(command);
      else if (result?.note !== undefined) {
        this.tell(`error: ${result.note}`);
        this.refuse(command, atomic ? 'atomic transaction failed' : result.reason);
      } else this.refuse(command, result?.reason ?? 'failed to update ref');
    }
  }

  /** Keeps a text for the user until it is taken. */
  tell(text: string): void {
    this.#notes += `${text}\n`;
  }

  takeNotes(): string {
    const notes = this.#notes;
    this.#notes = '';
    return notes;
  }

  /** What hooks read: old value, new value and name, as they really are (githooks, "pre-receive"). */
  *lines(commands: readonly RefCommand[]): Generator<string, void, undefined> {
    for (const command of commands) {
      const verdict = this.#verdicts.get(command);
      const reports = verdict?.kind === 'ok' ? verdict.reports : [];
      for (const { oldOid, newOid, name } of reports.length === 0 ? [{}] : reports) {
        yield `${oldOid ?? command.oldOid} ${newOid ?? command.newOid} ${name ?? command.name}\n`;
      }
    }
  }

  /** One result for each command. */
  results(): readonly CommandResult[] {
    return this.#commands.map((command) => {
      const { name } = command;
      const verdict = this.#verdicts.get(command);
      if (verdict?.kind === 'ok') {
        return { name, status: 'ok', ...(verdict.reports.length === 0 ? {} : { reports: verdict.reports }) };
      }
      return { name, status: 'rejected', reason: verdict?.reason ?? 'failed to update ref' };
    });
  }
}
