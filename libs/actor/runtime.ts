import { type Clock, type Log, PackhorseError, type Settings } from '#base';
import type { Actor } from './actor.ts';
import type { Running } from './behaviour.ts';
import type { PendingCall } from './mailbox.ts';
import { Scheduler } from './scheduler.ts';
import { Timeouts } from './timeouts.ts';

/** What the world gives to an actor system. */
export interface ActorEnvironment {
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: Settings['actor'];
}

/** What all actors of one system share. */
export class Runtime {
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: Settings['actor'];
  readonly scheduler: Scheduler;
  readonly deadlines: Timeouts<PendingCall>;
  readonly #idle: Timeouts<Actor>;
  /** Actors without a parent, in the order they were started. */
  readonly roots = new Set<Actor>();
  readonly names = new Map<string, Running>();
  /** Set when draining begins: nothing new is started from then on. */
  draining = false;
  readonly totals = { live: 0, started: 0, restarted: 0, crashed: 0, refused: 0 };
  #lastId = 0;

  constructor(environment: ActorEnvironment) {
    this.clock = environment.clock;
    this.log = environment.log;
    this.settings = environment.settings;
    this.scheduler = new Scheduler(environment.settings.sliceTurns);
    this.deadlines = new Timeouts(this.clock, (call) => call.expire());
    this.#idle = new Timeouts(this.clock, (actor) => actor.stopWhenQuiet());
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  born(actor: Actor): void {
    if (actor.parent === undefined) this.roots.add(actor);
    else (actor.parent.makeTies().children ??= new Set()).add(actor);
    this.totals.live += 1;
    this.totals.started += 1;
    if (actor.restarts > 0) this.totals.restarted += 1;
  }

  died(actor: Actor): void {
    if (actor.parent === undefined) this.roots.delete(actor);
    else actor.parent.ties?.children?.delete(actor);
    this.totals.live -= 1;
    if (actor.idleMs !== undefined) this.#idle.remove(actor, actor.idleMs);
    // What is above it may have waited for nothing but its end to be idle.
    if (actor.parent !== undefined) this.rests(actor.parent);
  }

  /** An actor has nothing more to do: the wait begins after which it, or what is above it, stops. */
  rests(actor: Actor): void {
    let owner: Actor | undefined = actor;
    while (owner !== undefined && owner.idleMs === undefined) owner = owner.parent;
    if (owner?.idleMs !== undefined && owner.accepting) this.#idle.add(owner, owner.idleMs);
  }

  /** Makes a handle findable until it ends. Throws `already_exists` when another has the name. */
  register(name: string, handle: Running, actor: Actor): void {
    if (this.names.has(name)) {
      throw new PackhorseError('already_exists', 'An actor of this name is already running.', {
        metadata: { name },
      });
    }
    this.names.set(name, handle);
    actor.onExit(() => this.names.delete(name));
  }
}
