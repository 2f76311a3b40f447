import type { Clock, Random } from '#base';

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Numbers from 0 up to 1 that are the same for the same seed (mulberry32). */
export function seededNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function seededRandom(next: () => number): Random {
  return { bytes: (lengthBytes) => Buffer.from(Array.from({ length: lengthBytes }, () => next() * 256)) };
}

/** One time line for everything that a simulation does, in whole milliseconds. It only goes on in `run`. */
export class SimulatedTime {
  /** A binary heap: there are millions of tasks. */
  readonly #heap: Task[] = [];
  #nowMs = 0;
  #order = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  at(atMs: number, run: () => void): () => void {
    const task: Task = {
      atMs: Math.max(Math.ceil(atMs), this.#nowMs),
      order: this.#order++,
      run,
      isCancelled: false,
    };
    this.#push(task);
    return () => {
      task.isCancelled = true;
    };
  }

  /** Runs what falls due within `forMs`; promises that it settles are followed up before time goes on. */
  async run(forMs: number, afterEach: () => void = () => undefined): Promise<void> {
    const untilMs = this.#nowMs + Math.ceil(forMs);
    for (let task = this.#heap[0]; task !== undefined && task.atMs <= untilMs; task = this.#heap[0]) {
      this.#nowMs = task.atMs;
      for (let due = this.#heap[0]; due !== undefined && due.atMs <= this.#nowMs; due = this.#heap[0]) {
        this.#pop();
        if (!due.isCancelled) due.run();
      }
      // All microtasks run before this one.
      await new Promise((resolve) => setImmediate(resolve));
      afterEach();
    }
    this.#nowMs = untilMs;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(task);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, task)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = task;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (below !== undefined && right !== undefined && isBefore(right, below)) {
        child += 1;
        below = right;
      }
      if (below === undefined || isBefore(last, below)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/**
 * The clock of one simulated process: it may run a little fast or slow, its wall clock can be set, and
 * while the process is frozen time passes but nothing runs.
 */
export class SimulatedClock implements Clock {
  readonly #time: SimulatedTime;
  readonly #rate: number;
  readonly #startMs: number;
  #wallOffsetMs = 0;
  #isFrozen = false;
  #waiting: (() => void)[] = [];

  constructor(time: SimulatedTime, rate = 1) {
    this.#time = time;
    this.#rate = rate;
    this.#startMs = time.nowMs;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  monotonicMs(): number {
    return (this.#time.nowMs - this.#startMs) * this.#rate;
  }

  nowMs(): number {
    return 1_700_000_000_000 + this.monotonicMs() + this.#wallOffsetMs;
  }

  after(delayMs: number, task: () => void): () => void {
    let isCancelled = false;
    const run = (): void => {
      if (!isCancelled) task();
    };
    this.#time.at(this.#time.nowMs + delayMs / this.#rate, () => this.whenAwake(run));
    return () => {
      isCancelled = true;
    };
  }

  /** Runs `task` now, or when the process goes on. */
  whenAwake(task: () => void): void {
    if (this.#isFrozen) this.#waiting.push(task);
    else task();
  }

  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const task of waiting) task();
  }

  /** The process was killed. */
  kill(): void {
    this.#isFrozen = true;
    this.#waiting = [];
  }
}
