import { Actor } from './actor.ts';
import type { Exit, Running } from './behaviour.ts';
import { Handle, type Made } from './handle.ts';
import type { Address, CallOptions, Message } from './message.ts';
import type { AnyBehaviour, Origin } from './origin.ts';
import { notRunning, restartsTooOften } from './refusals.ts';
import { RestartHistory, type RestartKind, type RestartLimit, wantsRestart } from './restarts.ts';
import type { HandleOf, Spec, WorkerSpec } from './spec.ts';

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
export type ChildOf<Child> = Child extends WorkerSpec<infer Messages> ? Address<Messages> : HandleOf<Child>;

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
  child: (Running & Made) | undefined;
}

export class Supervisor<Children extends AnyChildren> extends Handle {
  readonly actor: Actor;
  readonly #options: SupervisorOptions<Children>;
  readonly #places: readonly Place[];
  #history: RestartHistory | undefined = undefined;

  constructor(options: SupervisorOptions<Children>, behaviour: AnyBehaviour, origin: Origin) {
    super();
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

  /**
   * A worker role: an address whose messages go to the least busy instance at that moment, and
   * which outlives restarts. A nested supervisor: its present handle; throws `unavailable` when there is none.
   */
  child<Role extends keyof Children & string>(role: Role): ChildOf<Children[Role]['spec']> {
    const found: Address<Message> | Running = this.#isWorker(role)
      ? new RoleAddress(this, role)
      : this.#presentOne(role);
    return found as ChildOf<Children[Role]['spec']>;
  }

  /** The running incarnations of a role, each of which may be gone at the next message. */
  instances<Role extends keyof Children & string>(role: Role): readonly HandleOf<Children[Role]['spec']>[] {
    return this.#present(role) as never;
  }

  #isWorker(role: string): boolean {
    const spec = this.#options.children[role]?.spec;
    return spec !== undefined && 'worker' in spec;
  }

  #present(role: string): (Running & Made)[] {
    return this.#places.flatMap(({ role: other, child }) =>
      other === role && child?.accepting === true ? [child] : [],
    );
  }

  #presentOne(role: string): Running {
    const [present] = this.#present(role);
    if (present === undefined) throw notRunning(this.pathOf(role));
    return present;
  }

  pathOf(role: string): string {
    return `${this.actor.path}/${role}`;
  }

  /** The actor of a role that has the least to do. */
  leastBusy(role: string): Actor | undefined {
    let found: Actor | undefined;
    for (const place of this.#places) {
      if (place.role !== role || place.child?.accepting !== true) continue;
      if (found === undefined || place.child.actor.load < found.load) found = place.child.actor;
    }
    return found;
  }

  #fill(place: Place, restarts: number): void {
    const { runtime } = this.actor;
    const { spec, shutdownMs } = place.options;
    place.child = spec.start({ runtime, parent: this.actor, name: place.name, restarts, shutdownMs });
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
    if (place?.child === undefined || !this.accepting) return;
    const { restarts } = place.child.actor;
    place.child = undefined;
    if (!wantsRestart(place.options.restart ?? 'permanent', reason)) return;
    if (this.#mayRestart()) {
      await this.#restart(place, restarts);
    } else {
      const cause = reason.kind === 'crash' ? reason.error : undefined;
      this.actor.crash(restartsTooOften(this.actor.path, cause));
    }
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

  async #restart(crashed: Place, crashedRestarts: number): Promise<void> {
    const affected = this.#affected(this.#places.indexOf(crashed));
    const former = affected.map((place) => place.child?.actor);
    for (const place of affected) {
      const restarts = place === crashed ? crashedRestarts : (place.child?.actor.restarts ?? 0);
      place.child = undefined;
      // The new ones take messages while the old ones still stop, so callers notice nothing but a delay.
      if (place.options.restart !== 'temporary') this.#fill(place, restarts + 1);
    }
    for (const actor of former.toReversed()) await actor?.stopFor(false);
    try {
      await this.release(affected);
    } catch {
      // The child that failed to start has sent its exit, which is handled as one more restart.
    }
  }
}

/** Sends each message to the least busy instance of a role. */
class RoleAddress implements Address<Message> {
  readonly #supervisor: AnySupervisor;
  readonly #role: string;

  constructor(supervisor: AnySupervisor, role: string) {
    this.#supervisor = supervisor;
    this.#role = role;
  }

  call(message: Message, options?: CallOptions): Promise<never> {
    const actor = this.#supervisor.leastBusy(this.#role);
    // The caller's types say what the answer is.
    if (actor !== undefined) return actor.call(message, options) as Promise<never>;
    return Promise.reject(notRunning(this.#supervisor.pathOf(this.#role)));
  }

  cast(message: Message): boolean {
    return this.#supervisor.leastBusy(this.#role)?.cast(message) ?? false;
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
