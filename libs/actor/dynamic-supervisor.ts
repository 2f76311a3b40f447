import { Actor } from './actor.ts';
import type { Exit, Running } from './behaviour.ts';
import { actorOf, Handle, type Made } from './handle.ts';
import type { AnyBehaviour, Origin } from './origin.ts';
import { shuttingDown, tooManyChildren } from './refusals.ts';
import { RestartHistory, type RestartLimit, wantsRestart } from './restarts.ts';
import type { Spec } from './spec.ts';

export interface DynamicSupervisorOptions<Child extends Running> {
  /** How to start the child of a key. */
  readonly child: (key: string) => Spec<Child>;
  /**
   * `transient`: a child that crashed is started again at once. `temporary` (when absent), and
   * after a normal end: by the next who asks for it.
   */
  readonly restart?: 'transient' | 'temporary';
  /**
   * Counted per key, because a crash of one child must not reach the others: a child that crashes
   * more often is left alone until somebody asks for it again.
   */
  readonly limit?: RestartLimit;
  /** A child stops after it and everything below it rested this long; absent: never. */
  readonly idleMs?: number;
  /** Children at once; past it asking for one more throws `unavailable`. `maxChildren` of the settings when absent. */
  readonly maxChildren?: number;
  /** How long a stopping child is waited for before it is killed. */
  readonly shutdownMs?: number;
}

/** Starts children on demand, one per key. */
export function dynamicSupervisor<Child extends Running>(
  options: DynamicSupervisorOptions<Child>,
): Spec<DynamicSupervisor<Child>> {
  return { start: (origin) => new DynamicSupervisor(options, origin) };
}

/**
 * A supervisor whose children are started when somebody asks for them and stop when they are idle.
 * All of them stop together, since none depends on another.
 */
export class DynamicSupervisor<Child extends Running> extends Handle {
  readonly actor: Actor;
  readonly #options: DynamicSupervisorOptions<Child>;
  readonly #children = new Map<string, Child & Made>();
  readonly #histories = new Map<string, RestartHistory>();

  constructor(options: DynamicSupervisorOptions<Child>, origin: Origin) {
    super();
    this.#options = options;
    this.actor = new Actor(dynamicBehaviour, this, origin);
  }

  /** Keys whose child is running. */
  get keys(): IterableIterator<string> {
    return this.#children.keys();
  }

  /**
   * The child of `key`, started when there is none. Two who ask at once get the same one. What it
   * returns takes messages at once (they wait for `init`), but do not keep it: ask again for the
   * next message, for the child may have stopped meanwhile. While an earlier child of the key is
   * still stopping, a new one takes messages and begins when that has ended, so that there are
   * never two at work. Throws `unavailable` when the supervisor stops or has `maxChildren`.
   */
  child(key: string): Child {
    const present = this.#children.get(key);
    if (present?.accepting === true) return present;
    return this.#start(key, present?.actor, 0);
  }

  /** The child of `key` when it is running. */
  running(key: string): Child | undefined {
    const present = this.#children.get(key);
    return present?.accepting === true ? present : undefined;
  }

  #start(key: string, former: Actor | undefined, restarts: number): Child {
    const { actor } = this;
    const { runtime } = actor;
    const { idleMs, shutdownMs, maxChildren = runtime.settings.maxChildren } = this.#options;
    if (!actor.accepting || runtime.draining) throw shuttingDown();
    if (this.#children.size >= maxChildren && !this.#children.has(key)) {
      throw tooManyChildren(actor.path, maxChildren);
    }
    const origin = { runtime, parent: actor, name: key, restarts, idleMs, shutdownMs };
    const child = this.#options.child(key).start(origin);
    this.#children.set(key, child);
    if (former === undefined) child.actor.release();
    else former.onExit(() => child.actor.release());
    return child;
  }

  /** A child ended; it may have been replaced already. */
  childExited({ from, reason }: Exit): void {
    const ended = actorOf(from);
    const key = ended.name ?? '';
    if (this.#children.get(key)?.actor !== ended) return;
    const { restart = 'temporary' } = this.#options;
    const restarts = this.accepting && !this.actor.runtime.draining && wantsRestart(restart, reason);
    if (restarts && this.#mayRestart(key)) {
      this.#start(key, ended, ended.restarts + 1);
    } else {
      this.#children.delete(key);
      this.#histories.delete(key);
    }
  }

  #mayRestart(key: string): boolean {
    const { runtime } = this.actor;
    const {
      limit = { maxRestarts: runtime.settings.maxRestarts, windowMs: runtime.settings.restartWindowMs },
    } = this.#options;
    let history = this.#histories.get(key);
    if (history === undefined) {
      history = new RestartHistory(runtime.clock, limit);
      this.#histories.set(key, history);
    }
    if (history.allow()) return true;
    runtime.log.error('A child crashes again and again and is left alone until it is asked for.', {
      actor: `${this.actor.path}/${key}`,
    });
    return false;
  }
}

const dynamicBehaviour: AnyBehaviour = {
  kind: 'dynamic-supervisor',
  supervises: true,
  stopsTogether: true,
  init: (handle) => handle,
  handle: {},
  exited: (handle, exit) => (handle as DynamicSupervisor<Running>).childExited(exit),
};
