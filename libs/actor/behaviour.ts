import { hasCode, type PackhorseError, toPackhorseError } from '#base';
import type { ExitReason } from './exit.ts';
import type { Address, Message, MessageOf, ReplyTo } from './message.ts';
import type { Spec } from './spec.ts';

/** What every running part can be asked, be it an actor or a supervisor. */
export interface Running {
  readonly id: number;
  readonly kind: string;
  /** False from the moment it starts to stop. */
  readonly accepting: boolean;
  /** Resolves when `init` is through; throws what it threw, or `unavailable` when stopped before. */
  started(): Promise<void>;
  /** Resolves with the reason once it has ended. */
  exited(): Promise<ExitReason>;
  /** Takes no more messages, finishes the one it is at (with `drain`: all that wait), terminates. What still waits is answered `unavailable`. */
  stop(options?: StopOptions): Promise<ExitReason>;
  /** Ends it at once, without `terminate`; a running handler's result is thrown away and its `signal` aborted. */
  kill(): void;
}

export interface StopOptions {
  readonly reason?: 'normal' | 'shutdown';
  /** Handles what already waits before stopping. */
  readonly drain?: boolean;
  /** After this long it is killed; absent: it may take its time. */
  readonly timeoutMs?: number;
}

/** One incarnation of an actor, like a BEAM pid: after a restart there is a new one. */
export interface ActorRef<Messages extends Message> extends Running, Address<Messages> {
  /** Messages that wait, plus one when a handler runs. */
  readonly load: number;
}

/** What an actor can do about itself; handed to its own callbacks. */
export interface Self<Messages extends Message> extends ActorRef<Messages> {
  /** Aborted when the actor begins to stop: long handlers may end early. */
  readonly signal: AbortSignal;
  /** True when it stops in drain mode. */
  readonly draining: boolean;
  /** Stops after the current message. */
  exit(reason?: 'normal' | 'shutdown'): void;
  /** Starts a child that never outlives this actor; an abnormal exit of the child reaches this actor as from a link. */
  spawn<Handle extends Running>(spec: Spec<Handle>): Handle;
  /** Ties two actors: an abnormal exit of one ends the other, unless that one traps exits. */
  link(other: Running): void;
  unlink(other: Running): void;
  /** Asks for one `down` when `target` ends (at once when it already has). */
  monitor(target: Running): Monitor;
  /** Withdraws a monitor; a `down` that already waits is not delivered. */
  demonitor(monitor: Monitor): void;
}

export interface Monitor {
  readonly target: Running;
}

/** A linked actor or a child ended. */
export interface Exit {
  /** The actor itself; a supervisor's handle has the same `id`. */
  readonly from: Running;
  readonly reason: ExitReason;
}

/** A monitored actor ended. */
export interface Down {
  readonly monitor: Monitor;
  readonly from: Running;
  readonly reason: ExitReason;
}

type Eventually<Value> = Value | Promise<Value>;

/** One function per message type; its return value answers a call. */
export type Handlers<State, Messages extends Message> = {
  readonly [Type in Messages['type']]: (
    state: State,
    message: MessageOf<Messages, Type>,
    self: Self<Messages>,
  ) => Eventually<ReplyTo<MessageOf<Messages, Type>> | Refusal>;
};

/**
 * What an actor does: written once per kind, shared by all actors of that kind, while each has its
 * own `State` (an object that the handlers change). One callback runs at a time. A callback that
 * throws crashes the actor; the caller it was working for gets the error. An expected failure is
 * returned with `refuse` instead: the caller gets it and the actor lives on.
 */
export interface Behaviour<Args, State extends object, Messages extends Message> {
  /** For logs and the observer, such as `repository-reader`. */
  readonly kind: string;
  /** Messages that may wait; `mailboxMessages` of the settings when absent. */
  readonly mailboxMessages?: number;
  /** How long `init` may take; `startTimeoutMs` of the settings when absent. */
  readonly startTimeoutMs?: number;
  /** Makes the state. Messages that arrive meanwhile wait. */
  init(args: Args, self: Self<Messages>): Eventually<State>;
  readonly handle: Handlers<State, Messages>;
  /** Having it is trapping exits: exits of links and children arrive here instead of ending this actor. */
  exited?(state: State, exit: Exit, self: Self<Messages>): Eventually<void>;
  down?(state: State, down: Down, self: Self<Messages>): Eventually<void>;
  /** Lets go of what the state holds; runs after every end but `kill`. */
  terminate?(state: State, reason: ExitReason, self: Self<Messages>): Eventually<void>;
}

/** A failure that is an answer, not a defect. */
export class Refusal {
  readonly error: PackhorseError;

  constructor(error: PackhorseError) {
    this.error = error;
  }
}

/** Returned by a handler: the caller's `call` throws `error`, the actor lives on. */
export function refuse(error: PackhorseError): Refusal {
  return new Refusal(error);
}

/**
 * Runs `work` for a handler and turns expected failures (a PackhorseError other than `internal`
 * and `data_loss`) into a refusal. Anything else is thrown on and crashes the actor.
 */
export async function refuseExpected<Result>(work: () => Promise<Result>): Promise<Result | Refusal> {
  try {
    return await work();
  } catch (thrown) {
    const error = toPackhorseError(thrown);
    if (hasCode(error, 'internal', 'data_loss')) throw thrown;
    return refuse(error);
  }
}
