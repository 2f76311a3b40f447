import { PackhorseError } from '#base';
import { Actor, type AnyBehaviour, type Origin } from './actor.ts';
import type { Exit, Running, StopOptions } from './behaviour.ts';
import type { ExitReason } from './exit.ts';
import { RestartHistory, type RestartLimit, wantsRestart } from './restarts.ts';
import type { Spec, Started } from './spec.ts';

export interface DynamicSupervisorOptions<Handle extends Running> {
  /** How to start the child of a key. */
  readonly child: (key: string) => Spec<Handle>;
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
export function dynamicSupervisor<Handle extends Running>(
  options: DynamicSupervisorOptions<Handle>,
): Spec<DynamicSupervisor<Handle>> {
  return { start: (origin) => new DynamicSupervisor(options, origin) };
}

/**
 * A supervisor whose children are started when somebody asks for them and stop when they are idle.
 * All of them stop together, since none depends on another.
 */
export class DynamicSupervisor<Handle extends Running> implements Running, Started {
  readonly actor: Actor;
  readonly #options: DynamicSupervisorOptions<Handle>;
  readonly #children = new Map<string, Handle & Started>();
  readonly #histories = new Map<string, RestartHistory>();

  constructor(options: DynamicSupervisorOptions<Handle>, origin: Origin) {
    this.#options = options;
    this.actor = new Actor(dynamicBehaviour, this, origin);
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

  /** Keys whose child is running. */
  get keys(): IterableIterator<string> {
    return this.#children.keys();
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
   * The child of `key`, started when there is none. Two who ask at once get the same one. What it
   * returns takes messages at once (they wait for `init`), but do not keep it: ask again for the
   * next message, for the child may have stopped meanwhile. While an earlier child of the key is
   * still stopping, a new one takes messages and begins when that has ended, so that there are
   * never two at work. Throws `unavailable` when the supervisor stops or has `maxChildren`.
   */
  child(key: string): Handle {
    const present = this.#children.get(key);
    if (present?.accepting === true) return present;
    return this.#start(key, present?.actor, 0);
  }

  /** The child of `key` when it is running. */
  running(key: string): Handle | undefined {
    const present = this.#children.get(key);
    return present?.accepting === true ? present : undefined;
  }

  #start(key: string, former: Actor | undefined, restarts: number): Handle {
    const { actor } = this;
    const { idleMs, shutdownMs, maxChildren = actor.runtime.settings.maxChildren } = this.#options;
    if (!actor.accepting || actor.runtime.draining) {
      throw new PackhorseError('unavailable', 'The server is shutting down. Try again later.');
    }
    if (this.#children.size >= maxChildren && !this.#children.has(key)) {
      throw new PackhorseError(
        'unavailable',
        'The server is busy with too many things at once. Try again later.',
        {
          metadata: { supervisor: actor.path, maxChildren },
        },
      );
    }
    const child = this.#options.child(key).start({
      runtime: actor.runtime,
      parent: actor,
      name: key,
      held: true,
      restarts,
      ...(idleMs === undefined ? {} : { idleMs }),
      ...(shutdownMs === undefined ? {} : { shutdownMs }),
    });
    this.#children.set(key, child);
    if (former === undefined) child.actor.release();
    else former.onExit(() => child.actor.release());
    return child;
  }

  /** A child ended; it may have been replaced already. */
  childExited(from: Actor, reason: ExitReason): void {
    const key = from.name ?? '';
    if (this.#children.get(key)?.actor !== from) return;
    const { restart = 'temporary' } = this.#options;
    if (this.accepting && wantsRestart(restart, reason) && this.#mayRestart(key)) {
      this.#start(key, from, from.restarts + 1);
      return;
    }
    this.#children.delete(key);
    this.#histories.delete(key);
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
  init: (handle) => handle,
  handle: {},
  exited: (handle, exit: Exit) =>
    (handle as DynamicSupervisor<Running>).childExited(exit.from as Actor, exit.reason),
};
