import { PackhorseError } from '#base';
import { Actor, type AnyBehaviour, type Origin } from './actor.ts';
import type { Exit, Running, StopOptions } from './behaviour.ts';
import type { ExitReason } from './exit.ts';
import type { Address, CallOptions, Message, MessageOf, ReplyTo } from './message.ts';
import { RestartHistory, type RestartKind, type RestartLimit, wantsRestart } from './restarts.ts';
import type { Spec, Started, WorkerSpec } from './spec.ts';

/**
 * Who is restarted when a child has crashed: `one-for-one`: that child; `one-for-all`: all;
 * `rest-for-one`: that child and those started after it, which may depend on it.
 */
export type Strategy = 'one-for-one' | 'one-for-all' | 'rest-for-one';

export interface ChildOptions<Child extends Spec<Running>> {
  readonly spec: Child;
  /** `permanent` when absent. */
  readonly restart?: RestartKind;
  /** How many of them to start, as equals that share the work; 1 when absent. */
  readonly instances?: number;
  /** How long its end is waited for before it is killed. */
  readonly shutdownMs?: number;
}

type AnyChildren = Readonly<Record<string, ChildOptions<Spec<Running>>>>;

export interface SupervisorOptions<Children extends AnyChildren> {
  /** For logs and the observer; `supervisor` when absent. */
  readonly kind?: string;
  readonly strategy: Strategy;
  /** `maxRestarts` and `restartWindowMs` of the settings when absent. Past it the supervisor stops its children and crashes. */
  readonly limit?: RestartLimit;
  /** By role, in the order in which they are started; they stop in the reverse order. */
  readonly children: Children;
}

/** What `child(role)` gives: an address of the equals of that role, or the handle of a nested supervisor. */
export type ChildOf<Child> =
  Child extends WorkerSpec<infer Messages>
    ? Address<Messages>
    : Child extends Spec<infer Handle>
      ? Handle
      : never;

/** Starts a fixed set of children and restarts them by `strategy`. */
export function supervisor<Children extends AnyChildren>(
  options: SupervisorOptions<Children>,
): Spec<Supervisor<Children>> {
  const behaviour: AnyBehaviour = { ...supervisorBehaviour, kind: options.kind ?? supervisorBehaviour.kind };
  return { start: (origin) => new Supervisor(options, behaviour, origin) };
}

/** One child's place, in which one incarnation follows another. */
interface Place {
  readonly role: string;
  readonly name: string;
  readonly options: ChildOptions<Spec<Running>>;
  child: (Running & Started) | undefined;
}

export class Supervisor<Children extends AnyChildren> implements Running, Started {
  readonly actor: Actor;
  readonly #options: SupervisorOptions<Children>;
  readonly #places: readonly Place[];
  #history: RestartHistory | undefined = undefined;

  constructor(options: SupervisorOptions<Children>, behaviour: AnyBehaviour, origin: Origin) {
    this.#options = options;
    this.actor = new Actor(behaviour, this, origin);
    this.#places = Object.entries(options.children).flatMap(([role, child]) => {
      const instances = child.instances ?? 1;
      return Array.from({ length: instances }, (_, index) => ({
        role,
        name: instances === 1 ? role : `${role}-${index + 1}`,
        options: child,
        child: undefined,
      }));
    });
    // All take messages from now on; each begins when those before it have started.
    for (const place of this.#places) this.#fill(place, 0);
  }

  get id(): number {
    return this.actor.id;
  }

  get kind(): string {
    return this.actor.kind;
  }

  get accepting(): boolean {
    return this.actor.accepting;
  }

  started(): Promise<void> {
    return this.actor.started();
  }

  exited(): Promise<ExitReason> {
    return this.actor.exited();
  }

  stop(options?: StopOptions): Promise<ExitReason> {
    return this.actor.stop(options);
  }

  kill(): void {
    this.actor.kill();
  }

  /**
   * A worker role: an address whose messages go to the least busy instance at that moment, and
   * which outlives restarts. A nested supervisor: its present handle; throws `unavailable` when there is none.
   */
  child<Role extends keyof Children & string>(role: Role): ChildOf<Children[Role]['spec']> {
    const found: Address<Message> | Running = this.#isWorker(role)
      ? new RoleAddress(this, role)
      : (this.#present(role)[0] ?? this.#throwMissing(role));
    return found as ChildOf<Children[Role]['spec']>;
  }

  /** The running incarnations of a role, each of which may be gone at the next message. */
  instances<Role extends keyof Children & string>(
    role: Role,
  ): readonly (Children[Role]['spec'] extends Spec<infer Handle> ? Handle : never)[] {
    return this.#present(role) as never;
  }

  #isWorker(role: string): boolean {
    const spec = this.#options.children[role]?.spec;
    return spec !== undefined && 'worker' in spec;
  }

  #present(role: string): (Running & Started)[] {
    return this.#places.flatMap(({ role: other, child }) =>
      other === role && child?.accepting === true ? [child] : [],
    );
  }

  #throwMissing(role: string): never {
    throw new PackhorseError('unavailable', 'This part of the server is not running. Try again later.', {
      metadata: { actor: `${this.actor.path}/${role}` },
    });
  }

  /** The actor of a role that has the least to do. */
  leastBusy(role: string): Actor {
    let found: Actor | undefined;
    for (const place of this.#places) {
      if (place.role !== role || place.child?.accepting !== true) continue;
      if (found === undefined || place.child.actor.load < found.load) found = place.child.actor;
    }
    return found ?? this.#throwMissing(role);
  }

  #fill(place: Place, restarts: number): void {
    const { runtime } = this.actor;
    const { spec, shutdownMs } = place.options;
    place.child = spec.start({
      runtime,
      parent: this.actor,
      name: place.name,
      held: true,
      restarts,
      ...(shutdownMs === undefined ? {} : { shutdownMs }),
    });
  }

  /** Lets the children begin, each after the one before it has started. Throws what a child's start throws. */
  async release(places: readonly Place[] = this.#places): Promise<void> {
    for (const { child } of places) {
      if (!this.accepting) return;
      child?.actor.release();
      await child?.started();
    }
  }

  async childExited({ from, reason }: Exit): Promise<void> {
    const place = this.#places.find(({ child }) => child?.actor === from);
    if (place === undefined || !this.accepting) return;
    const ended = place.child?.actor;
    place.child = undefined;
    if (!wantsRestart(place.options.restart ?? 'permanent', reason) || ended === undefined) return;
    if (!this.#mayRestart()) {
      const cause = reason.kind === 'crash' ? reason.error : undefined;
      this.actor.crash(
        new PackhorseError('unavailable', 'A part of the server crashes again and again.', {
          metadata: { supervisor: this.actor.path },
          cause,
        }),
      );
      return;
    }
    await this.#restart(place, ended);
  }

  #mayRestart(): boolean {
    const { clock, settings } = this.actor.runtime;
    this.#history ??= new RestartHistory(
      clock,
      this.#options.limit ?? { maxRestarts: settings.maxRestarts, windowMs: settings.restartWindowMs },
    );
    return this.#history.allow();
  }

  /** The places to restart when that of `index` has crashed. */
  #affected(index: number): readonly Place[] {
    const { strategy } = this.#options;
    if (strategy === 'one-for-all') return this.#places;
    return this.#places.slice(index, strategy === 'one-for-one' ? index + 1 : undefined);
  }

  async #restart(crashed: Place, ended: Actor): Promise<void> {
    const affected = this.#affected(this.#places.indexOf(crashed));
    const former = affected.map((place) => place.child?.actor);
    const restarted = affected.filter((place) => place.options.restart !== 'temporary' || place === crashed);
    for (const place of affected) {
      const restarts = (place === crashed ? ended : place.child?.actor)?.restarts ?? 0;
      place.child = undefined;
      // The new ones take messages while the old ones still stop, so callers notice nothing but a delay.
      if (restarted.includes(place)) this.#fill(place, restarts + 1);
    }
    for (const actor of former.toReversed()) await actor?.stopFor(false);
    try {
      await this.release(restarted);
    } catch {
      // The child that failed to start has sent its exit, which is handled as one more restart.
    }
  }
}

/** Sends each message to the least busy instance of a role. */
class RoleAddress implements Address<Message> {
  readonly #supervisor: { leastBusy(role: string): Actor };
  readonly #role: string;

  constructor(supervisor: { leastBusy(role: string): Actor }, role: string) {
    this.#supervisor = supervisor;
    this.#role = role;
  }

  async call<Type extends string>(
    message: { readonly type: Type } & MessageOf<Message, Type>,
    options?: CallOptions,
  ): Promise<ReplyTo<MessageOf<Message, Type>>> {
    return (await this.#supervisor.leastBusy(this.#role).call(message, options)) as ReplyTo<
      MessageOf<Message, Type>
    >;
  }

  cast(message: Message): boolean {
    try {
      return this.#supervisor.leastBusy(this.#role).cast(message);
    } catch {
      return false;
    }
  }
}

type AnySupervisor = Supervisor<AnyChildren>;

const supervisorBehaviour: AnyBehaviour = {
  kind: 'supervisor',
  supervises: true,
  async init(handle) {
    await (handle as AnySupervisor).release();
    return handle;
  },
  handle: {},
  exited: (handle, exit) => (handle as AnySupervisor).childExited(exit),
};
