import type { ObjectSurvey } from './object-survey.ts';
import { basePackOf } from './plan.ts';
import type { MaintenanceState } from './state-file.ts';

/** How well a repository is maintained, for pages and operators. */
export interface MaintenanceFacts {
  readonly lastRunAtMs: number | undefined;
  /** Why the last run failed; undefined when it did not. */
  readonly lastFailure: string | undefined;
  /** What tells reachable objects without a walk: a bitmap of the base pack, or one over several packs as well. */
  readonly bitmap: 'none' | 'pack' | 'multi-pack';
  readonly commitsInGraph: number;
  /** Counted up to a limit: more than enough for another layer is all the same. */
  readonly commitsOutsideGraph: number;
  /** Objects that nothing reaches, as far as they were found. */
  readonly unreachableObjects: number;
  /** In packs that are going to be removed, and files that belong to nothing. */
  readonly garbageFiles: number;
  readonly garbageBytes: number;
}

export interface FactsSource {
  readonly survey: ObjectSurvey;
  readonly state: MaintenanceState;
  readonly commitsInGraph: number;
  readonly commitsOutsideGraph: number;
}

export function maintenanceFacts({ survey, state, ...graph }: FactsSource): MaintenanceFacts {
  const retired = new Set(state.retired.map(({ name }) => name));
  const live = survey.packs.filter(({ name }) => !retired.has(name));
  const gone = survey.packs.filter(({ name }) => retired.has(name));
  const base = basePackOf({ survey, retired });
  return {
    ...graph,
    lastRunAtMs: state.lastRunAtMs,
    lastFailure: state.lastFailure,
    bitmap: survey.hasMultiPackBitmap ? 'multi-pack' : base === undefined ? 'none' : 'pack',
    unreachableObjects: live.reduce((sum, pack) => sum + (pack.isCruft ? pack.objects : 0), 0),
    garbageFiles: gone.length + survey.strays.length,
    garbageBytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}
