import type { Running } from './behaviour.ts';
import { begin } from './handle.ts';
import { type ActorInfo, type ActorTotals, observe } from './observer.ts';
import { shuttingDown } from './refusals.ts';
import { type ActorEnvironment, Runtime } from './runtime.ts';
import type { ActorName, Spec } from './spec.ts';

/** How a drain went. */
export interface DrainReport {
  /** Actors that had not ended by themselves in time. */
  readonly killed: number;
}

/** All actors of a node. */
export class ActorSystem {
  readonly #runtime: Runtime;

  constructor(environment: ActorEnvironment) {
    this.#runtime = new Runtime(environment);
  }

  /**
   * Starts an actor or a supervisor without a parent. Throws `unavailable` while draining and
   * `already_exists` when it is `named` and the name is taken.
   */
  spawn<Started extends Running>(spec: Spec<Started>): Started {
    if (this.#runtime.draining) throw shuttingDown();
    return begin(spec.start({ runtime: this.#runtime }));
  }

  /** What runs under this name. */
  lookup<Started extends Running>(name: ActorName<Started>): Started | undefined {
    return this.#runtime.names.get(name.text) as Started | undefined;
  }

  /** Every live actor, parents before their children, one at a time for there may be very many. */
  observe(): Generator<ActorInfo, void, undefined> {
    return observe(this.#runtime.roots);
  }

  get totals(): ActorTotals {
    return { ...this.#runtime.totals };
  }

  /**
   * Ends everything in order: starts nothing new, then lets the actors without a parent, last
   * started first, stop taking messages, handle what waits, stop their children and terminate.
   * What is not through after `timeoutMs` is killed.
   */
  async drain(timeoutMs: number): Promise<DrainReport> {
    const runtime = this.#runtime;
    runtime.draining = true;
    let killed = 0;
    const cancel = runtime.clock.after(timeoutMs, () => {
      killed = runtime.totals.live;
      for (const root of runtime.roots) root.kill();
      if (killed > 0) runtime.log.warn('Actors were killed because draining took too long.', { killed });
    });
    for (const root of [...runtime.roots].toReversed()) await root.stopFor(true);
    cancel();
    return { killed };
  }
}
