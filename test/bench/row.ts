import type { Contestant } from './contestant.ts';

export type Transport = Contestant['transport'];

/** Of these only a rate is better when it is higher; `x` is a factor between two of our own figures. */
export type Unit = 'requests/s' | 'ms' | 'MiB' | 'x';

export interface Metric {
  readonly name: string;
  readonly unit: Unit;
  /** How many times better than the baseline we have to be. */
  readonly atLeast?: Partial<Readonly<Record<Transport, number>>>;
  /** What we may not exceed, in `unit`. */
  readonly atMost?: number;
}

export interface RunContext {
  readonly isQuick: boolean;
  /** The measured repository on this machine's disk. */
  readonly repository: string;
}

/** One thing that is measured, on every server that can do it. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly transports: readonly Transport[];
  readonly metrics: readonly Metric[];
  /** How often it is measured on each server; the median counts. */
  readonly rounds: number;
  /** A whole client is measured: what it takes without any server stands beside it. */
  readonly showsClientAlone?: true;
  /** One value for each metric. */
  measure(contestant: Contestant, context: RunContext): Promise<readonly number[]>;
}

export const everywhere: readonly Transport[] = ['http', 'git', 'ssh'];
