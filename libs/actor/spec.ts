import { Actor, type AnyBehaviour, type Origin } from './actor.ts';
import type { ActorRef, Behaviour, Running } from './behaviour.ts';
import type { Message } from './message.ts';

/**
 * How to start something: an actor (`worker`) or a tree of them (`supervisor`, `dynamicSupervisor`).
 * A value that can be started any number of times.
 */
export interface Spec<Handle extends Running> {
  /** Makes it; called by the runtime only. */
  start(origin: Origin): Handle & Started;
}

/** A handle knows the actor behind it. */
export interface Started {
  readonly actor: Actor;
}

/** The spec of one actor. */
export interface WorkerSpec<Messages extends Message> extends Spec<ActorRef<Messages>> {
  readonly worker: true;
}

/** Describes an actor that runs `behaviour`; `args` go to every `init`. */
export function worker<Args, State extends object, Messages extends Message>(
  behaviour: Behaviour<Args, State, Messages>,
  args: Args,
): WorkerSpec<Messages> {
  // The runtime does not know message types; they are checked here, at its border.
  const erased = behaviour as unknown as AnyBehaviour;
  return {
    worker: true,
    start: (origin) => new Actor(erased, args, origin) as unknown as ActorRef<Messages> & Started,
  };
}
