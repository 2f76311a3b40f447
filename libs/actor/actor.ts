import { type PackhorseError, toPackhorseError } from '#base';
import type { Down, Exit, Monitor, Running, StopOptions } from './behaviour.ts';
import { type ExitReason, isAbnormal, killed, normal, shutdown } from './exit.ts';
import { actorOf, begin, type Made } from './handle.ts';
import { Envelope, Mailbox, PendingCall } from './mailbox.ts';
import type { CallOptions, Message } from './message.ts';
import type { AnyBehaviour, Origin, Phase } from './origin.ts';
import { mailboxFull, notRunning, startTookTooLong } from './refusals.ts';
import type { Runtime } from './runtime.ts';
import type { Spec } from './spec.ts';
import { type ActorMonitor, demonitor, link, monitor, Ties, unlink } from './ties.ts';

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/**
 * One incarnation of an actor: its mailbox, its state and its ties; also what its callbacks get as
 * `self`. There may be 100,000 of them at rest, so what an actor at rest does not need is not made.
 */
export class Actor implements Running, Made {
  readonly id: number;
  readonly runtime: Runtime;
  readonly behaviour: AnyBehaviour;
  readonly parent: Actor | undefined;
  readonly name: string | undefined;
  readonly startedMs: number;
  readonly restarts: number;
  readonly idleMs: number | undefined;
  readonly shutdownMs: number | undefined;
  /** When the wait for idleness ends; kept by `Timeouts`. */
  dueMs = 0;
  /** Messages handled so far. */
  handled = 0;
  draining = false;
  ties: Ties | undefined = undefined;
  #phase: Phase = 'held';
  /** What `init` made; until then, its args. */
  #state: unknown;
  #initialised = false;
  /** A callback runs. */
  #busy = false;
  #scheduled = false;
  #current: Envelope | undefined = undefined;
  #mailbox: Mailbox | undefined = undefined;
  #reason: ExitReason = normal;

  constructor(behaviour: AnyBehaviour, args: unknown, origin: Origin) {
    const { runtime, parent } = origin;
    this.id = runtime.nextId();
    this.runtime = runtime;
    this.behaviour = behaviour;
    this.parent = parent;
    this.name = origin.name;
    this.startedMs = runtime.clock.nowMs();
    this.restarts = origin.restarts ?? 0;
    this.idleMs = origin.idleMs;
    this.shutdownMs = origin.shutdownMs;
    this.#state = args;
    runtime.born(this);
  }

  get actor(): this {
    return this;
  }

  get kind(): string {
    return this.behaviour.kind;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get accepting(): boolean {
    return this.#phase === 'live' || this.#phase === 'starting' || this.#phase === 'held';
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Messages in the mailbox. */
  get waiting(): number {
    return this.#mailbox?.size ?? 0;
  }

  get load(): number {
    return this.waiting + (this.#busy ? 1 : 0);
  }

  /** Names from the top down to this one, for logs and the observer. */
  get path(): string {
    const own = this.name ?? this.kind;
    return this.parent === undefined ? own : `${this.parent.path}/${own}`;
  }

  /** Why it ended; undefined while it has not. */
  get endedWith(): ExitReason | undefined {
    return this.#phase === 'dead' ? this.#reason : undefined;
  }

  /** True when it and everything below it rests. */
  get quiet(): boolean {
    if (this.#phase !== 'live' || this.#busy || this.waiting > 0) return false;
    for (const child of this.ties?.children ?? []) if (!child.quiet) return false;
    return true;
  }

  get signal(): AbortSignal {
    const ties = this.makeTies();
    if (ties.abort === undefined) {
      ties.abort = new AbortController();
      if (!this.accepting && !this.draining) ties.abort.abort();
    }
    return ties.abort.signal;
  }

  makeTies(): Ties {
    this.ties ??= new Ties();
    return this.ties;
  }

  // What others ask of it: `ActorRef` says how each of these behaves.

  call(message: Message, options?: CallOptions): Promise<unknown> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const { deadlines, settings } = this.runtime;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timeoutMs = options?.timeoutMs ?? settings.callTimeoutMs;
    this.#enqueue(new PendingCall(message, resolve, reject, deadlines, timeoutMs));
    return promise;
  }

  cast(message: Message): boolean {
    if (this.#refusal() !== undefined) return false;
    this.#enqueue(new Envelope('message', message));
    return true;
  }

  started(): Promise<void> {
    if (this.#initialised && this.#phase !== 'dead') return Promise.resolve();
    return new Promise((resolve, reject) => {
      (this.makeTies().onStarted ??= []).push(resolve);
      this.onExit((reason) => reject(reason.kind === 'crash' ? reason.error : notRunning(this.path)));
    });
  }

  exited(): Promise<ExitReason> {
    return new Promise((resolve) => this.onExit(resolve));
  }

  stop(options: StopOptions = {}): Promise<ExitReason> {
    this.#beginStop(options.reason === 'shutdown' ? shutdown : normal, options.drain ?? false);
    if (options.timeoutMs !== undefined && this.#phase !== 'dead') {
      this.onExit(this.runtime.clock.after(options.timeoutMs, () => this.kill()));
    }
    return this.exited();
  }

  kill(): void {
    this.#die(killed);
  }

  // What it asks for itself: `Self` says how each of these behaves.

  exit(reason: 'normal' | 'shutdown' = 'normal'): void {
    this.#beginStop(reason === 'normal' ? normal : shutdown, false);
  }

  spawn<Made extends Running>(spec: Spec<Made>): Made {
    return begin(spec.start({ runtime: this.runtime, parent: this }));
  }

  link(other: Running): void {
    link(this, actorOf(other));
  }

  unlink(other: Running): void {
    unlink(this, actorOf(other));
  }

  monitor(target: Running): Monitor {
    return monitor(this, target);
  }

  demonitor(withdrawn: Monitor): void {
    demonitor(withdrawn);
  }

  // What the runtime asks of it.

  /** Lets it begin; when the name it is to be registered under is taken it crashes, with the returned error. */
  release(): PackhorseError | undefined {
    if (this.#phase !== 'held') return undefined;
    this.#phase = 'starting';
    try {
      this.ties?.onRelease?.();
    } catch (thrown) {
      this.#failed(thrown);
      return toPackhorseError(thrown);
    }
    this.#schedule();
    return undefined;
  }

  /** Runs `task` when it has ended: at once when that is so already. */
  onExit(task: (reason: ExitReason) => void): void {
    if (this.#phase === 'dead') task(this.#reason);
    else (this.makeTies().onExit ??= []).push(task);
  }

  /** Ends it after the current message as if that message's handler had thrown `error`. */
  crash(error: PackhorseError): void {
    this.#noteCrash(error);
    this.#beginStop({ kind: 'crash', error }, false);
  }

  /** For the end of a wait for idleness; when it is not quiet, its next rest begins a new wait. */
  stopWhenQuiet(): void {
    if (this.quiet) void this.stopFor(false, 'normal');
  }

  /** Stops it within `shutdownMs`, unless its work is to be finished first. */
  stopFor(drain: boolean, reason: 'normal' | 'shutdown' = 'shutdown'): Promise<ExitReason> {
    const ownBound = this.behaviour.supervises === true ? undefined : this.runtime.settings.shutdownTimeoutMs;
    const timeoutMs = drain ? undefined : (this.shutdownMs ?? ownBound);
    return this.stop({ reason, drain, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  /** A linked actor or a child has ended. */
  receiveExit(from: Actor, reason: ExitReason): void {
    if (this.behaviour.exited !== undefined) this.signalled(new Envelope('exit', { from, reason }));
    else if (isAbnormal(reason)) this.#beginStop(reason, false);
  }

  /** Signals are not held to the mailbox limit, for their number is bounded by the ties. */
  signalled(envelope: Envelope): void {
    if (this.#phase !== 'terminating' && this.#phase !== 'dead') this.#enqueue(envelope);
  }

  /** One step: to begin, to handle one message, or to end. */
  turn(): void {
    this.#scheduled = false;
    if (this.#phase === 'starting') this.#start();
    else if (this.#phase === 'live') this.#handleNext();
    else if (this.#phase === 'stopping') this.#finishStep();
  }

  #finishStep(): void {
    if (!this.draining || this.waiting === 0) this.#end();
    else if (this.#initialised) this.#handleNext();
    else this.#start();
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy || this.#phase === 'held') return;
    this.#scheduled = true;
    this.runtime.scheduler.add(this);
  }

  #refusal(): PackhorseError | undefined {
    if (!this.accepting) return notRunning(this.path);
    const limit = this.behaviour.mailboxMessages ?? this.runtime.settings.mailboxMessages;
    if (this.waiting < limit) return undefined;
    this.runtime.totals.refused += 1;
    return mailboxFull(this.path, limit);
  }

  #enqueue(envelope: Envelope): void {
    this.#mailbox ??= new Mailbox();
    this.#mailbox.push(envelope);
    this.#schedule();
  }

  #start(): void {
    this.#busy = true;
    let made: unknown;
    try {
      made = this.behaviour.init(this.#state, this);
    } catch (thrown) {
      return this.#failed(thrown);
    }
    if (!isThenable(made)) return this.#began(made);
    const cancel = this.#limitStart();
    const began = (state: unknown): void => {
      cancel();
      this.#began(state);
    };
    const failed = (thrown: unknown): void => {
      cancel();
      this.#failed(thrown);
    };
    void made.then(began, failed);
  }

  /** Makes a start that takes too long a crash, until the returned function is called. */
  #limitStart(): () => void {
    const { behaviour, runtime } = this;
    if (behaviour.supervises === true) return () => undefined;
    const timeoutMs = behaviour.startTimeoutMs ?? runtime.settings.startTimeoutMs;
    return runtime.clock.after(timeoutMs, () => this.#failed(startTookTooLong(this.path, timeoutMs)));
  }

  /** True when it ended while a callback ran, so that nothing may follow from the callback's outcome. */
  get #over(): boolean {
    return this.#phase === 'terminating' || this.#phase === 'dead';
  }

  #began(state: unknown): void {
    // Nobody wants it any more, but what `init` opened must be let go of.
    if (this.#over) return void this.#terminate(state);
    this.#state = state;
    this.#initialised = true;
    this.#busy = false;
    if (this.#phase === 'starting') this.#phase = 'live';
    const waiting = this.ties?.onStarted ?? [];
    if (this.ties !== undefined) this.ties.onStarted = undefined;
    for (const task of waiting) task();
    this.#next();
  }

  #handleNext(): void {
    const envelope = this.#mailbox?.take();
    if (envelope === undefined || envelope.obsolete) return this.#next();
    this.#current = envelope;
    this.#busy = true;
    let result: unknown;
    try {
      result = this.#deliver(envelope);
    } catch (thrown) {
      return this.#failed(thrown);
    }
    if (!isThenable(result)) return this.#done(result);
    void result.then(
      (value) => this.#done(value),
      (thrown: unknown) => this.#failed(thrown),
    );
  }

  #deliver(envelope: Envelope): unknown {
    const { form, content } = envelope;
    if (form === 'message') return this.#handle(content as Message);
    if (form === 'exit') return this.behaviour.exited?.(this.#state, content as Exit, this);
    const down = content as Down;
    const { active } = down.monitor as ActorMonitor;
    return active ? this.behaviour.down?.(this.#state, down, this) : undefined;
  }

  #handle(message: Message): unknown {
    this.handled += 1;
    const handler = this.behaviour.handle[message.type];
    if (handler === undefined) throw new TypeError(`No handler for a message of type ${message.type}.`);
    return handler(this.#state, message, this);
  }

  #done(value: unknown): void {
    if (this.#over) return;
    this.#busy = false;
    this.#current?.answer(value);
    this.#current = undefined;
    this.#next();
  }

  #next(): void {
    if (this.waiting > 0 || this.#phase === 'stopping') return this.#schedule();
    this.#mailbox = undefined;
    this.runtime.rests(this);
  }

  #failed(thrown: unknown): void {
    const error = toPackhorseError(thrown);
    if (this.#over) {
      this.runtime.log.warn('A callback failed after its actor had ended.', { actor: this.path, error });
      return;
    }
    this.#noteCrash(error);
    this.#current?.fail(error);
    this.#current = undefined;
    this.#reason = { kind: 'crash', error };
    this.#end();
  }

  #noteCrash(error: PackhorseError): void {
    this.runtime.totals.crashed += 1;
    this.runtime.log.error('An actor crashed.', { actor: this.path, id: this.id, error });
  }

  #beginStop(reason: ExitReason, drain: boolean): void {
    if (this.#over) return;
    const held = this.#phase === 'held';
    if (this.#phase === 'stopping') {
      this.draining &&= drain;
    } else {
      this.#phase = 'stopping';
      this.draining = drain;
      this.#reason = reason;
    }
    if (!this.draining) this.ties?.abort?.abort();
    // It never began, so there is nothing to end.
    if (held) this.#die(reason);
    else this.#schedule();
  }

  /** What waits is refused, children stop, then `terminate` runs, then it is gone. */
  #end(): void {
    this.#phase = 'terminating';
    this.#busy = true;
    this.#refuseWaiting();
    if ((this.ties?.children?.size ?? 0) === 0 && this.behaviour.terminate === undefined) {
      this.#die(this.#reason);
    } else {
      void this.#endOrderly();
    }
  }

  async #endOrderly(): Promise<void> {
    await this.#stopChildren();
    if (this.#initialised) await this.#terminate(this.#state);
    this.#die(this.#reason);
  }

  async #stopChildren(): Promise<void> {
    const children = [...(this.ties?.children ?? [])].toReversed();
    if (this.behaviour.stopsTogether === true) {
      await Promise.all(children.map((child) => child.stopFor(this.draining)));
    } else {
      for (const child of children) await child.stopFor(this.draining);
    }
  }

  async #terminate(state: unknown): Promise<void> {
    try {
      await this.behaviour.terminate?.(state, this.#reason, this);
    } catch (thrown) {
      const error = toPackhorseError(thrown);
      this.runtime.log.error('An actor failed to terminate.', { actor: this.path, error });
    }
  }

  #refuseWaiting(): void {
    const mailbox = this.#mailbox;
    this.#mailbox = undefined;
    if (mailbox === undefined || mailbox.size === 0) return;
    const refusal = notRunning(this.path);
    for (let waiting = mailbox.take(); waiting !== undefined; waiting = mailbox.take()) waiting.fail(refusal);
  }

  #die(reason: ExitReason): void {
    if (this.#phase === 'dead') return;
    this.#phase = 'dead';
    this.#reason = reason;
    this.#current?.fail(notRunning(this.path));
    this.#current = undefined;
    this.#refuseWaiting();
    this.#state = undefined;
    const { ties, parent } = this;
    this.ties = undefined;
    this.runtime.died(this);
    ties?.announce(this, reason);
    parent?.receiveExit(this, reason);
  }
}
