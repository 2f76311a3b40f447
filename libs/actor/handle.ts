import type { Actor } from './actor.ts';
import type { Running, StopOptions } from './behaviour.ts';
import type { ExitReason } from './exit.ts';

/** What the runtime makes knows the actor behind it. */
export interface Made {
  readonly actor: Actor;
}

/** The actor behind a handle: every handle is made by the runtime. */
export function actorOf(running: Running): Actor {
  return (running as Running & Made).actor;
}

/** Lets what was just made begin. Throws what keeps it from that. */
export function begin<Started extends Running>(made: Started & Made): Started {
  const error = made.actor.release();
  if (error !== undefined) throw error;
  return made;
}

/** A handle with more to it than the actor behind it. */
export abstract class Handle implements Running, Made {
  abstract readonly actor: Actor;

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
}
