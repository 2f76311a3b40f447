import v8 from 'node:v8';
import vm from 'node:vm';
import { type Clock, systemClock } from '#base';
import { native } from './nodegit.ts';

type Collect = (options: { readonly type: 'major'; readonly execution: 'async' }) => Promise<void>;

/** How long after a handle was closed its files may stay open at most. */
const sweepAfterMs = 10_000;

/**
 * nodegit lets go of a handle's files when its JavaScript object is collected, and a resting server
 * collects nothing for hours: deleted packs would keep their disk space. So some time after handles
 * were closed one collection is asked for, unless the closed ones have gone by themselves.
 */
export class HandleSweeper {
  readonly #clock: Clock;
  readonly #openHandles: () => number;
  readonly #collect: () => Promise<void>;
  #open = 0;
  #scheduled = false;

  constructor(clock: Clock, openHandles: () => number, collect: () => Promise<void>) {
    this.#clock = clock;
    this.#openHandles = openHandles;
    this.#collect = collect;
  }

  /** A handle was opened. */
  opened(): void {
    this.#open += 1;
  }

  /** A handle was closed and is not referred to any more. */
  closed(): void {
    this.#open -= 1;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.after(sweepAfterMs, () => {
      this.#scheduled = false;
      if (this.#openHandles() > this.#open) void this.#collect();
    });
  }
}

function collector(): () => Promise<void> {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as Collect;
  // Asynchronous: as a task of its own and mostly on other threads.
  return () => collect({ type: 'major', execution: 'async' });
}

export const handleSweeper = new HandleSweeper(
  systemClock,
  () => native.Odb.getSelfFreeingInstanceCount(),
  collector(),
);
