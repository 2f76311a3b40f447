import type { Actor } from './actor.ts';
import type { Phase } from './origin.ts';

/** One live actor, for administrators and metrics. */
export interface ActorInfo {
  readonly id: number;
  /** Names from the top down, such as `repositories/4k2…/reader-1`. */
  readonly path: string;
  readonly kind: string;
  readonly phase: Phase;
  readonly parentId: number | undefined;
  /** Messages that wait. */
  readonly mailboxDepth: number;
  /** A callback runs. */
  readonly busy: boolean;
  readonly messagesHandled: number;
  /** How many incarnations its supervisor started before this one because of exits. */
  readonly restarts: number;
  readonly startedMs: number;
}

/** What happened since the system began, and how many actors live. */
export interface ActorTotals {
  readonly live: number;
  readonly started: number;
  readonly restarted: number;
  readonly crashed: number;
  /** Messages that met a full mailbox. */
  readonly refused: number;
}

/** Parents before their children. */
export function* observe(actors: Iterable<Actor>): Generator<ActorInfo, void, undefined> {
  for (const actor of actors) {
    yield {
      id: actor.id,
      path: actor.path,
      kind: actor.kind,
      phase: actor.phase,
      parentId: actor.parent?.id,
      mailboxDepth: actor.waiting,
      busy: actor.busy,
      messagesHandled: actor.handled,
      restarts: actor.restarts,
      startedMs: actor.startedMs,
    };
    yield* observe(actor.ties?.children ?? []);
  }
}
