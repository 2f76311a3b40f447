import { PackhorseError } from '#base';
import type { Running } from './behaviour.ts';
import { type ActorEnvironment, Runtime } from './runtime.ts';
import type { Spec } from './spec.ts';

export interface SpawnOptions {
  /** Found by `lookup` under this name while it runs. */
  readonly name?: string;
}

/** All actors of a node. */
export class ActorSystem {
  readonly #runtime: Runtime;

  constructor(environment: ActorEnvironment) {
    this.#runtime = new Runtime(environment);
  }

  /**
   * Starts an actor or a supervisor without a parent. Throws `already_exists` when the name is
   * taken and `unavailable` while draining.
   */
  spawn<Handle extends Running>(spec: Spec<Handle>, options: SpawnOptions = {}): Handle {
    if (this.#runtime.draining) {
      throw new PackhorseError('unavailable', 'The server is shutting down. Try again later.');
    }
    const { name } = options;
    return spec.start({
      runtime: this.#runtime,
      ...(name === undefined ? {} : { name, registered: true }),
    });
  }
}
