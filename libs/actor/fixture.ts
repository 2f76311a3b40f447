import { type Log, ManualClock, PackhorseError, readSettings, type Settings, silentLog } from '#base';
import { ActorSystem, type Asks, type Behaviour, refuse } from './index.ts';

/** What the runtime's tests are made with: an actor that tells what happens to it, and a clock moved by hand. */

/** What happened, in order; a test can wait for an entry instead of guessing when it comes. */
export class Journal {
  readonly entries: string[] = [];
  #waiting: { readonly entry: string; readonly times: number; readonly resolve: () => void }[] = [];

  note(entry: string): void {
    this.entries.push(entry);
    const reached = this.#waiting.filter(({ entry, times }) => this.count(entry) >= times);
    this.#waiting = this.#waiting.filter((waiting) => !reached.includes(waiting));
    for (const { resolve } of reached) resolve();
  }

  count(entry: string): number {
    return this.entries.filter((other) => other === entry).length;
  }

  /** Resolves once `entry` was noted, `times` times. */
  async reached(entry: string, times = 1): Promise<void> {
    if (this.count(entry) >= times) return;
    await new Promise<void>((resolve) => this.#waiting.push({ entry, times, resolve }));
  }

  /** The entries so far, which are then forgotten. */
  take(): string[] {
    return this.entries.splice(0);
  }
}

export type ProbeMessage =
  | { readonly type: 'note'; readonly text: string }
  | Asks<{ readonly type: 'echo'; readonly text: string }, string>
  | { readonly type: 'wait'; readonly gate: Promise<void> }
  | { readonly type: 'crash' }
  | Asks<{ readonly type: 'refuse' }, number>
  | { readonly type: 'exit' };

export interface ProbeArgs {
  readonly name: string;
  readonly journal: Journal;
  /** What `init` waits for; rejecting it makes the start fail. */
  readonly start?: () => Promise<void>;
  readonly end?: () => Promise<void>;
}

/** Notes its start, what it handles and its end. */
export const probe: Behaviour<ProbeArgs, ProbeArgs, ProbeMessage> = {
  kind: 'probe',
  async init(args) {
    await args.start?.();
    args.journal.note(`${args.name} starts`);
    return args;
  },
  handle: {
    note: ({ name, journal }, { text }) => journal.note(`${name}: ${text}`),
    echo: (_, { text }) => text,
    async wait({ name, journal }, { gate }) {
      journal.note(`${name} waits`);
      await gate;
      journal.note(`${name} is through`);
    },
    crash() {
      throw new PackhorseError('data_loss', 'The probe broke.');
    },
    refuse: () => refuse(new PackhorseError('not_found', 'The probe has no such thing.')),
    exit: (_, __, self) => self.exit(),
  },
  async terminate({ name, journal, end }, reason) {
    await end?.();
    journal.note(`${name} ends: ${reason.kind}`);
  },
};

export function newSystem(
  options: {
    readonly clock?: ManualClock;
    readonly log?: Log;
    readonly settings?: Partial<Settings['actor']>;
  } = {},
): ActorSystem {
  return new ActorSystem({
    clock: options.clock ?? new ManualClock(),
    log: options.log ?? silentLog,
    settings: { ...readSettings().actor, ...options.settings },
  });
}

/** A gate that opens when the test says so. */
export function newGate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
