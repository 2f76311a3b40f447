import type { Actor } from './actor.ts';
import type { Monitor, Running } from './behaviour.ts';
import type { ExitReason } from './exit.ts';
import { Envelope } from './mailbox.ts';
import { actorOf } from './handle.ts';

/** One actor's wish to be told when another ends. */
export class ActorMonitor implements Monitor {
  readonly target: Running;
  readonly watcher: Actor;
  active = true;

  constructor(target: Running, watcher: Actor) {
    this.target = target;
    this.watcher = watcher;
  }

  /** Tells the watcher. */
  fire(reason: ExitReason): void {
    this.watcher.signalled(new Envelope('down', { monitor: this, from: this.target, reason }));
  }
}

/** An actor's ties to others. Most actors have none, so everything is made with the first one. */
export class Ties {
  children: Set<Actor> | undefined = undefined;
  links: Set<Actor> | undefined = undefined;
  /** Monitors by others on this actor. */
  watchedBy: Set<ActorMonitor> | undefined = undefined;
  /** Monitors by this actor on others. */
  watching: Set<ActorMonitor> | undefined = undefined;
  onRelease: (() => void) | undefined = undefined;
  onStarted: (() => void)[] | undefined = undefined;
  onExit: ((reason: ExitReason) => void)[] | undefined = undefined;
  abort: AbortController | undefined = undefined;

  /** Tells everybody that `actor`, whose ties these were, has ended. */
  announce(actor: Actor, reason: ExitReason): void {
    this.abort?.abort();
    // Only who is killed still has children.
    for (const child of this.children ?? []) child.kill();
    for (const linked of this.links ?? []) {
      linked.ties?.links?.delete(actor);
      linked.receiveExit(actor, reason);
    }
    for (const monitor of this.watching ?? []) actorOf(monitor.target).ties?.watchedBy?.delete(monitor);
    for (const monitor of this.watchedBy ?? []) {
      monitor.watcher.ties?.watching?.delete(monitor);
      monitor.fire(reason);
    }
    for (const task of this.onExit ?? []) task(reason);
  }
}

export function link(actor: Actor, other: Actor): void {
  // Parent and child are tied anyway.
  if (actor === other || actor.parent === other || other.parent === actor) return;
  const ended = other.endedWith;
  if (ended !== undefined) return actor.receiveExit(other, ended);
  (actor.makeTies().links ??= new Set()).add(other);
  (other.makeTies().links ??= new Set()).add(actor);
}

export function unlink(actor: Actor, other: Actor): void {
  actor.ties?.links?.delete(other);
  other.ties?.links?.delete(actor);
}

export function monitor(watcher: Actor, target: Running): Monitor {
  const made = new ActorMonitor(target, watcher);
  const actor = actorOf(target);
  const ended = actor.endedWith;
  if (ended === undefined) {
    (actor.makeTies().watchedBy ??= new Set()).add(made);
    (watcher.makeTies().watching ??= new Set()).add(made);
  } else {
    made.fire(ended);
  }
  return made;
}

export function demonitor(withdrawn: Monitor): void {
  const made = withdrawn as ActorMonitor;
  made.active = false;
  made.watcher.ties?.watching?.delete(made);
  actorOf(made.target).ties?.watchedBy?.delete(made);
}
