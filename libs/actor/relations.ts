import type { Monitor, Running } from './behaviour.ts';
import type { ExitReason } from './exit.ts';
import type { Actor } from './actor.ts';

/** One actor's wish to be told when another ends. */
export class ActorMonitor implements Monitor {
  readonly target: Running;
  readonly watcher: Actor;
  active = true;

  constructor(target: Running, watcher: Actor) {
    this.target = target;
    this.watcher = watcher;
  }
}

/** An actor's ties to others. Most actors have none, so this is made with the first one. */
export class Relations {
  readonly children = new Set<Actor>();
  readonly links = new Set<Actor>();
  /** Monitors by others on this actor. */
  readonly watchedBy = new Set<ActorMonitor>();
  /** Monitors by this actor on others. */
  readonly watching = new Set<ActorMonitor>();
  readonly onStarted: (() => void)[] = [];
  readonly onExit: ((reason: ExitReason) => void)[] = [];
  abort: AbortController | undefined = undefined;
}
