import { Actor } from './actor.ts';
import type { ActorRef, Behaviour, Running } from './behaviour.ts';
import type { Made } from './handle.ts';
import type { Message } from './message.ts';
import type { AnyBehaviour, Origin } from './origin.ts';

/**
 * How to start something: an actor (`worker`) or a tree of them (`supervisor`, `dynamicSupervisor`).
 * A value that can be started any number of times.
 */
export interface Spec<Started extends Running> {
  /** Makes it, held; called by the runtime only. */
  start(origin: Origin): Started & Made;
}

/** What starting a spec gives: `HandleOf<ReturnType<typeof poolSpec>>` names a tree's handle. */
export type HandleOf<Child> = Child extends Spec<infer Started> ? Started : never;

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
    start: (origin) => new Actor(erased, args, origin) as unknown as ActorRef<Messages> & Made,
  };
}

declare const namedType: unique symbol;

/** A name in the registry, which knows what it stands for. */
export interface ActorName<Started extends Running> {
  readonly text: string;
  readonly [namedType]?: () => Started;
}

/** A name for `named` and `lookup`; one constant per name. */
export function actorName<Started extends Running>(text: string): ActorName<Started> {
  return { text };
}

/**
 * The same, findable under `name` while it runs, also after a restart. Starting it throws
 * `already_exists` when another has the name.
 */
export function named<Started extends Running, Child extends Spec<Started>>(
  name: ActorName<Started>,
  spec: Child & Spec<Started>,
): Child {
  return {
    ...spec,
    start(origin: Origin) {
      const made = spec.start({ name: name.text, ...origin });
      // Only now, for a former incarnation keeps the name until it has ended.
      made.actor.makeTies().onRelease = () => origin.runtime.register(name.text, made, made.actor);
      return made;
    },
  };
}
