import type { Actor } from './actor.ts';
import type { Down, Exit } from './behaviour.ts';
import type { ExitReason } from './exit.ts';
import type { Message } from './message.ts';
import type { Runtime } from './runtime.ts';

/** A behaviour as the runtime sees it: without its types. */
export interface AnyBehaviour {
  readonly kind: string;
  readonly mailboxMessages?: number;
  readonly startTimeoutMs?: number;
  /** Starts and stops within the bounds of its children rather than its own. */
  readonly supervises?: boolean;
  /** Its children stop together instead of one after the other. */
  readonly stopsTogether?: boolean;
  init(args: unknown, self: Actor): unknown;
  readonly handle: Readonly<
    Record<string, ((state: unknown, message: Message, self: Actor) => unknown) | undefined>
  >;
  exited?(state: unknown, exit: Exit, self: Actor): unknown;
  down?(state: unknown, down: Down, self: Actor): unknown;
  terminate?(state: unknown, reason: ExitReason, self: Actor): unknown;
}

/** Where a new actor comes from. It takes messages at once but begins only when it is released. */
export interface Origin {
  readonly runtime: Runtime;
  readonly parent?: Actor;
  /** What it is called below its parent. */
  readonly name?: string;
  readonly restarts?: number;
  /** Stops after it and everything below it rested this long. */
  readonly idleMs?: number | undefined;
  /** How long its parent waits for its end before it kills it. */
  readonly shutdownMs?: number | undefined;
}

/**
 * `held`: waits for its release. `starting`: `init` runs. `stopping`: takes no messages any more, ends
 * after the current one (when draining: the last one). `terminating`: children stop, `terminate` runs.
 */
export type Phase = 'held' | 'starting' | 'live' | 'stopping' | 'terminating' | 'dead';
