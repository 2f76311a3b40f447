import { PackhorseError, toPackhorseError } from '#base';
import type { Down, Exit, Monitor, Running, StopOptions } from './behaviour.ts';
import { type ExitReason, isAbnormal, killed, normal, shutdown } from './exit.ts';
import { Envelope, PendingCall } from './mailbox.ts';
import type { CallOptions, Message } from './message.ts';
import { ActorMonitor, Relations } from './relations.ts';
import type { Runtime } from './runtime.ts';
import type { Spec, Started } from './spec.ts';

/** A behaviour as the runtime sees it: without its types. */
export interface AnyBehaviour {
  readonly kind: string;
  readonly mailboxMessages?: number;
  readonly startTimeoutMs?: number;
  /** Starts and stops within the bounds of its children rather than its own. */
  readonly supervises?: boolean;
  init(args: unknown, self: Actor): unknown;
  readonly handle: Readonly<
    Record<string, ((state: unknown, message: Message, self: Actor) => unknown) | undefined>
  >;
  exited?(state: unknown, exit: Exit, self: Actor): unknown;
  down?(state: unknown, down: Down, self: Actor): unknown;
  terminate?(state: unknown, reason: ExitReason, self: Actor): unknown;
}

/** Where a new actor comes from. */
export interface Origin {
  readonly runtime: Runtime;
  readonly parent?: Actor;
  /** What it is called below its parent. */
  readonly name?: string;
  /** Registers `name` for lookup in the whole system. */
  readonly registered?: boolean;
  /** Takes messages but does not begin before `release`. */
  readonly held?: boolean;
  readonly restarts?: number;
  /** Stops after it and everything below it rested this long. */
  readonly idleMs?: number;
  /** How long its parent waits for its end before it kills it. */
  readonly shutdownMs?: number;
}

/**
 * `held`: waits for `release`. `starting`: `init` runs. `stopping`: takes no messages any more, ends
 * after the current one (when draining: the last one). `terminating`: children stop, `terminate` runs.
 */
export type Phase = 'held' | 'starting' | 'live' | 'stopping' | 'terminating' | 'dead';

/** The actor behind a handle that the runtime made. */
export function actorOf(running: Running): Actor {
  return (running as Running & Started).actor;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** One incarnation of an actor: its mailbox, its state and its ties. Also what its callbacks get as `self`. */
export class Actor implements Running, Started {
  /** When the wait for idleness ends; kept by `Timeouts`. */
  dueMs = 0;
  readonly id: number;
  readonly runtime: Runtime;
  readonly parent: Actor | undefined;
  readonly name: string | undefined;
  readonly startedMs: number;
  readonly restarts: number;
  readonly shutdownMs: number | undefined;
  readonly idleMs: number | undefined;
  /** This actor or the nearest above it that stops when idle. */
  readonly idleOwner: Actor | undefined;
  readonly behaviour: AnyBehaviour;
  handled = 0;
  draining = false;
  #phase: Phase;
  /** Its args until `init` has made a state of them. */
  #state: unknown;
  #initialised = false;
  #busy = false;
  #scheduled = false;
  #current: Envelope | undefined = undefined;
  #first: Envelope | undefined = undefined;
  #last: Envelope | undefined = undefined;
  #waiting = 0;
  #reason: ExitReason = normal;
  #relations: Relations | undefined = undefined;

  constructor(behaviour: AnyBehaviour, args: unknown, origin: Origin) {
    const { runtime, parent } = origin;
    this.id = runtime.nextId();
    this.runtime = runtime;
    this.parent = parent;
    this.name = origin.name;
    this.startedMs = runtime.clock.nowMs();
    this.restarts = origin.restarts ?? 0;
    this.shutdownMs = origin.shutdownMs;
    this.idleMs = origin.idleMs;
    this.idleOwner = origin.idleMs === undefined ? parent?.idleOwner : this;
    this.behaviour = behaviour;
    this.#state = args;
    this.#phase = origin.held === true ? 'held' : 'starting';
    if (origin.registered === true && origin.name !== undefined) runtime.register(origin.name, this);
    if (parent === undefined) runtime.roots.add(this);
    else parent.#ties().children.add(this);
    runtime.totals.started += 1;
    if (this.restarts > 0) runtime.totals.restarted += 1;
    if (this.#phase === 'starting') this.#schedule();
  }

  get actor(): Actor {
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

  get waiting(): number {
    return this.#waiting;
  }

  get load(): number {
    return this.#waiting + (this.#busy ? 1 : 0);
  }

  /** Names from the top down to this one, for logs and the observer. */
  get path(): string {
    const own = this.name ?? this.kind;
    return this.parent === undefined ? own : `${this.parent.path}/${own}`;
  }

  get children(): ReadonlySet<Actor> {
    return this.#relations?.children ?? noActors;
  }

  get signal(): AbortSignal {
    const ties = this.#ties();
    if (ties.abort === undefined) {
      ties.abort = new AbortController();
      if (!this.accepting && !this.draining) ties.abort.abort();
    }
    return ties.abort.signal;
  }

  // What others ask of it.

  call(message: Message, options?: CallOptions): Promise<unknown> {
    const { deadlines, settings } = this.runtime;
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#enqueue(
      new PendingCall(message, resolve, reject, deadlines, options?.timeoutMs ?? settings.callTimeoutMs),
    );
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
      this.onExit((reason) => reject(reason.kind === 'crash' ? reason.error : this.#notRunning()));
      this.#relations?.onStarted.push(resolve);
    });
  }

  exited(): Promise<ExitReason> {
    return new Promise((resolve) => this.onExit(resolve));
  }

  /** Runs `task` when it has ended: at once when that is so already. */
  onExit(task: (reason: ExitReason) => void): void {
    if (this.#phase === 'dead') task(this.#reason);
    else this.#ties().onExit.push(task);
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

  // What it asks for itself.

  exit(reason: 'normal' | 'shutdown' = 'normal'): void {
    this.#beginStop(reason === 'normal' ? normal : shutdown, false);
  }

  /** Ends it as if a handler had thrown `error`. */
  crash(error: PackhorseError): void {
    this.#beginStop({ kind: 'crash', error }, false);
  }

  spawn<Handle extends Running>(spec: Spec<Handle>): Handle {
    return spec.start({ runtime: this.runtime, parent: this });
  }

  link(other: Running): void {
    const target = actorOf(other);
    if (target === this) return;
    if (target.#phase === 'dead') return this.#receiveExit(target, target.#reason);
    this.#ties().links.add(target);
    target.#ties().links.add(this);
  }

  unlink(other: Running): void {
    const target = actorOf(other);
    this.#relations?.links.delete(target);
    target.#relations?.links.delete(this);
  }

  monitor(target: Running): Monitor {
    const monitor = new ActorMonitor(target, this);
    const actor = actorOf(target);
    if (actor.#phase === 'dead') {
      this.#signal(new Envelope('down', { monitor, from: target, reason: actor.#reason }));
      return monitor;
    }
    actor.#ties().watchedBy.add(monitor);
    this.#ties().watching.add(monitor);
    return monitor;
  }

  demonitor(monitor: Monitor): void {
    const mine = monitor as ActorMonitor;
    mine.active = false;
    this.#relations?.watching.delete(mine);
    actorOf(mine.target).#relations?.watchedBy.delete(mine);
  }

  // What the runtime asks of it.

  release(): void {
    if (this.#phase !== 'held') return;
    this.#phase = 'starting';
    this.#schedule();
  }

  /** True when it and everything below it rests. */
  get quiet(): boolean {
    if (this.#phase !== 'live' || this.#busy || this.#waiting > 0) return false;
    for (const child of this.children) if (!child.quiet) return false;
    return true;
  }

  /** When it is not quiet the end of what it does starts the wait for idleness anew. */
  stopWhenQuiet(): void {
    if (this.quiet) this.#beginStop(normal, true);
  }

  /** One step: to begin, to handle one message, or to end. */
  turn(): void {
    this.#scheduled = false;
    if (this.#busy) return;
    switch (this.#phase) {
      case 'starting':
        return this.#start();
      case 'live':
        return this.#handleNext();
      case 'stopping':
        if (!this.draining || this.#waiting === 0) return this.#end();
        return this.#initialised ? this.#handleNext() : this.#start();
      case 'held':
      case 'terminating':
      case 'dead':
    }
  }

  #ties(): Relations {
    this.#relations ??= new Relations();
    return this.#relations;
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy || this.#phase === 'held') return;
    this.#scheduled = true;
    this.runtime.scheduler.add(this);
  }

  #notRunning(): PackhorseError {
    return new PackhorseError('unavailable', 'This part of the server is not running. Try again later.', {
      metadata: { actor: this.path },
    });
  }

  #refusal(): PackhorseError | undefined {
    if (!this.accepting) return this.#notRunning();
    const limit = this.behaviour.mailboxMessages ?? this.runtime.settings.mailboxMessages;
    if (this.#waiting < limit) return undefined;
    this.runtime.totals.refused += 1;
    return new PackhorseError(
      'unavailable',
      'The server is busy with other requests to the same place. Try again later.',
      {
        metadata: { actor: this.path, mailboxMessages: limit },
      },
    );
  }

  #enqueue(envelope: Envelope): void {
    if (this.#last === undefined) this.#first = envelope;
    else this.#last.next = envelope;
    this.#last = envelope;
    this.#waiting += 1;
    this.#schedule();
  }

  #take(): Envelope | undefined {
    const envelope = this.#first;
    if (envelope === undefined) return undefined;
    this.#first = envelope.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#waiting -= 1;
    return envelope;
  }

  /** Signals are not held to the mailbox limit: their number is bounded by the ties. */
  #signal(envelope: Envelope): void {
    if (this.#phase !== 'terminating' && this.#phase !== 'dead') this.#enqueue(envelope);
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
    made.then(
      (state) => {
        cancel?.();
        this.#began(state);
      },
      (thrown: unknown) => {
        cancel?.();
        this.#failed(thrown);
      },
    );
  }

  /** Makes a start that takes too long a crash, until the returned function is called. */
  #limitStart(): (() => void) | undefined {
    if (this.behaviour.supervises === true) return undefined;
    const { clock, settings } = this.runtime;
    const startTimeoutMs = this.behaviour.startTimeoutMs ?? settings.startTimeoutMs;
    return clock.after(startTimeoutMs, () => {
      this.#failed(
        new PackhorseError('deadline_exceeded', 'A part of the server took too long to start.', {
          metadata: { actor: this.path, startTimeoutMs },
        }),
      );
    });
  }

  #began(state: unknown): void {
    // It was ended meanwhile, but what `init` opened must be let go of.
    if (this.#phase === 'dead') return void this.#callTerminate(state);
    this.#state = state;
    this.#initialised = true;
    this.#busy = false;
    if (this.#phase === 'starting') this.#phase = 'live';
    for (const task of this.#relations?.onStarted.splice(0) ?? []) task();
    this.#next();
  }

  #handleNext(): void {
    const envelope = this.#take();
    if (envelope === undefined) return this.#next();
    if (envelope.obsolete) return this.#next();
    this.#current = envelope;
    this.#busy = true;
    let result: unknown;
    try {
      result = this.#deliver(envelope);
    } catch (thrown) {
      return this.#failed(thrown);
    }
    if (!isThenable(result)) return this.#done(result);
    result.then(
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
    if (this.#phase === 'dead') return;
    this.#busy = false;
    this.#current?.answer(value);
    this.#current = undefined;
    this.#next();
  }

  #next(): void {
    if (this.#waiting > 0 || this.#phase === 'stopping') this.#schedule();
    else this.#rest();
  }

  #rest(): void {
    const owner = this.idleOwner;
    if (owner?.idleMs !== undefined && owner.accepting) this.runtime.idle.add(owner, owner.idleMs);
  }

  #failed(thrown: unknown): void {
    const error = toPackhorseError(thrown);
    if (this.#phase === 'dead') {
      this.runtime.log.warn('A handler failed after its actor had been killed.', { actor: this.path, error });
      return;
    }
    this.runtime.totals.crashed += 1;
    this.runtime.log.error('An actor crashed.', { actor: this.path, id: this.id, error });
    this.#busy = false;
    this.#current?.fail(error);
    this.#current = undefined;
    this.#phase = 'stopping';
    this.draining = false;
    this.#reason = { kind: 'crash', error };
    this.#end();
  }

  #beginStop(reason: ExitReason, drain: boolean): void {
    if (this.#phase === 'dead' || this.#phase === 'terminating') return;
    const held = this.#phase === 'held';
    if (this.#phase === 'stopping') {
      this.draining &&= drain;
    } else {
      this.#phase = 'stopping';
      this.draining = drain;
      this.#reason = reason;
    }
    if (!this.draining) this.#relations?.abort?.abort();
    if (held) this.#die(reason);
    else this.#schedule();
  }

  /** Children first, then `terminate`, then it is gone. */
  #end(): void {
    this.#phase = 'terminating';
    this.#busy = true;
    this.#refuseWaiting();
    if (this.children.size === 0 && this.behaviour.terminate === undefined) return this.#die(this.#reason);
    void this.#endOrderly();
  }

  async #endOrderly(): Promise<void> {
    const drain = this.draining;
    for (const child of [...this.children].toReversed()) await child.stopFor(drain);
    if (this.#initialised) await this.#callTerminate(this.#state);
    this.#die(this.#reason);
  }

  /** A parent stops this child: within `shutdownMs`, unless its work is to be finished first. */
  stopFor(drain: boolean): Promise<ExitReason> {
    const ownBound = this.behaviour.supervises === true ? undefined : this.runtime.settings.shutdownTimeoutMs;
    const timeoutMs = drain ? undefined : (this.shutdownMs ?? ownBound);
    return this.stop({ reason: 'shutdown', drain, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  async #callTerminate(state: unknown): Promise<void> {
    try {
      await this.behaviour.terminate?.(state, this.#reason, this);
    } catch (thrown) {
      this.runtime.log.error('An actor failed to terminate.', {
        actor: this.path,
        error: toPackhorseError(thrown),
      });
    }
  }

  #refuseWaiting(): void {
    if (this.#first === undefined) return;
    const refusal = this.#notRunning();
    for (let envelope = this.#take(); envelope !== undefined; envelope = this.#take()) envelope.fail(refusal);
  }

  #receiveExit(from: Actor, reason: ExitReason): void {
    if (from === this.parent) return this.#beginStop(isAbnormal(reason) ? reason : shutdown, false);
    if (this.behaviour.exited !== undefined) this.#signal(new Envelope('exit', { from, reason }));
    else if (isAbnormal(reason)) this.#beginStop(reason, false);
  }

  #die(reason: ExitReason): void {
    if (this.#phase === 'dead') return;
    this.#phase = 'dead';
    this.#reason = reason;
    this.#current?.fail(this.#notRunning());
    this.#current = undefined;
    this.#refuseWaiting();
    this.#state = undefined;
    const { runtime, parent } = this;
    if (this.name !== undefined && runtime.names.get(this.name) === this) runtime.names.delete(this.name);
    if (this.idleMs !== undefined) runtime.idle.remove(this, this.idleMs);
    if (parent === undefined) runtime.roots.delete(this);
    else parent.#relations?.children.delete(this);
    this.#announce(reason);
    if (parent !== undefined) parent.#receiveExit(this, reason);
    if (this.idleOwner !== this) this.#rest();
  }

  #announce(reason: ExitReason): void {
    const ties = this.#relations;
    if (ties === undefined) return;
    this.#relations = undefined;
    ties.abort?.abort();
    for (const child of ties.children) child.#receiveExit(this, reason);
    for (const linked of ties.links) {
      linked.#relations?.links.delete(this);
      linked.#receiveExit(this, reason);
    }
    for (const monitor of ties.watching) actorOf(monitor.target).#relations?.watchedBy.delete(monitor);
    for (const monitor of ties.watchedBy) {
      monitor.watcher.#relations?.watching.delete(monitor);
      monitor.watcher.#signal(new Envelope('down', { monitor, from: monitor.target, reason }));
    }
    for (const task of ties.onExit) task(reason);
  }
}

const noActors: ReadonlySet<Actor> = new Set();
