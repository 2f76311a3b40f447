import { PackhorseError, toPackhorseError } from '#base';
import { type Down, type Exit, Refusal } from './behaviour.ts';
import type { Message } from './message.ts';
import type { Timeouts } from './timeouts.ts';

/** What waits in a mailbox; a link in its chain. */
export class Envelope {
  readonly content: Message | Exit | Down;
  readonly form: 'message' | 'exit' | 'down';
  next: Envelope | undefined = undefined;

  constructor(form: 'message' | 'exit' | 'down', content: Message | Exit | Down) {
    this.form = form;
    this.content = content;
  }

  /** True when nobody waits for the outcome any more, so that it need not be handled. */
  get obsolete(): boolean {
    return false;
  }

  answer(_value: unknown): void {}
  fail(_thrown: unknown): void {}
}

/** A message whose sender waits for the answer. */
export class PendingCall extends Envelope {
  dueMs = 0;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: PackhorseError) => void;
  readonly #deadlines: Timeouts<PendingCall>;
  readonly #timeoutMs: number;
  #settled = false;

  constructor(
    message: Message,
    resolve: (value: unknown) => void,
    reject: (error: PackhorseError) => void,
    deadlines: Timeouts<PendingCall>,
    timeoutMs: number,
  ) {
    super('message', message);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#deadlines = deadlines;
    this.#timeoutMs = timeoutMs;
    deadlines.add(this, timeoutMs);
  }

  override get obsolete(): boolean {
    return this.#settled;
  }

  override answer(value: unknown): void {
    if (value instanceof Refusal) return this.fail(value.error);
    if (this.#settle()) this.#resolve(value);
  }

  override fail(thrown: unknown): void {
    if (this.#settle()) this.#reject(toPackhorseError(thrown));
  }

  /** The caller has waited long enough. */
  expire(): void {
    this.fail(
      new PackhorseError('deadline_exceeded', 'The server took too long to answer. Try again later.', {
        metadata: { timeoutMs: this.#timeoutMs, message: (this.content as Message).type },
      }),
    );
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#deadlines.remove(this, this.#timeoutMs);
    return true;
  }
}

/** Messages in the order they came. */
export class Mailbox {
  #first: Envelope | undefined = undefined;
  #last: Envelope | undefined = undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(envelope: Envelope): void {
    if (this.#last === undefined) this.#first = envelope;
    else this.#last.next = envelope;
    this.#last = envelope;
    this.#size += 1;
  }

  take(): Envelope | undefined {
    const envelope = this.#first;
    if (envelope === undefined) return undefined;
    this.#first = envelope.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#size -= 1;
    return envelope;
  }
}
