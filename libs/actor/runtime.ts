import { type Clock, type Log, PackhorseError, type Settings } from '#base';
import type { Actor } from './actor.ts';
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
  readonly idle: Timeouts<Actor>;
  /** Actors without a parent, in the order they were started. */
  readonly roots = new Set<Actor>();
  readonly names = new Map<string, Actor>();
  /** Set when draining begins: nothing new is started from then on. */
  draining = false;
  readonly totals = { started: 0, restarted: 0, crashed: 0, refused: 0 };
  #lastId = 0;

  constructor(environment: ActorEnvironment) {
    this.clock = environment.clock;
    this.log = environment.log;
    this.settings = environment.settings;
    this.scheduler = new Scheduler(environment.settings.sliceTurns);
    this.deadlines = new Timeouts(this.clock, (call) => call.expire());
    this.idle = new Timeouts(this.clock, (actor) => actor.stopWhenQuiet());
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** Throws `already_exists` when a running actor has the name. */
  register(name: string, actor: Actor): void {
    if (this.names.has(name)) {
      throw new PackhorseError('already_exists', 'An actor of this name is already running.', {
        metadata: { name },
      });
    }
    this.names.set(name, actor);
  }
}
