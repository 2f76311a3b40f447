import type { Settings } from '#base';
import type { ObjectSurvey, PackFacts } from './object-survey.ts';

/** What is to be done with the packs of a repository. */
export type RepackPlan =
  | { readonly kind: 'none' }
  /** One base pack of all that branches and tags reach, one of what else is reachable, one of the rest. */
  | { readonly kind: 'full' }
  /** These packs, and all loose objects, become one. */
  | { readonly kind: 'combine'; readonly packs: readonly string[] };

export interface PackState {
  readonly survey: ObjectSurvey;
  /** Packs whose objects are in others already. */
  readonly retired: ReadonlySet<string>;
  readonly nowMs: number;
  /** When all objects were last looked at for being reachable; undefined for never. */
  readonly lastFullAtMs: number | undefined;
}

type Limits = Pick<Settings['git'], 'maintenancePacks' | 'maintenanceLooseObjects' | 'unreachableGraceMs'>;

/** Each pack is to hold at least so many times what all smaller ones hold together. */
const geometricFactor = 2;

/** Without a bitmap a clone counts every object: so many of them are worth one, whatever the number of packs. */
const objectsWorthABitmap = 10_000;

/** The pack that clones are made from: the newest with a bitmap of its own. */
export function basePackOf(state: Pick<PackState, 'survey' | 'retired'>): PackFacts | undefined {
  return state.survey.packs.find((pack) => pack.hasBitmap && !pack.isCruft && !state.retired.has(pack.name));
}

/** Packs that hold objects of use and may be combined: no base, kept, cruft or retired pack. */
export function smallPacksOf(state: Pick<PackState, 'survey' | 'retired'>): readonly PackFacts[] {
  const base = basePackOf(state);
  return state.survey.packs.filter(
    (pack) => pack !== base && !pack.isKept && !pack.isCruft && !state.retired.has(pack.name),
  );
}

/** Decides by measured need. */
export function planRepack(state: PackState, limits: Limits): RepackPlan {
  const { survey } = state;
  const base = basePackOf(state);
  const small = smallPacksOf(state);
  const newObjects = small.reduce((sum, pack) => sum + pack.objects, survey.looseObjects);
  if (base === undefined && newObjects >= objectsWorthABitmap) return { kind: 'full' };
  if (hasExpired(state, limits)) return { kind: 'full' };
  const isMany =
    small.length > limits.maintenancePacks || survey.looseObjects > limits.maintenanceLooseObjects;
  if (!isMany) return { kind: 'none' };
  const packs = geometricRollUp(small, survey.looseObjects);
  const combined = packs.reduce((sum, pack) => sum + pack.objects, survey.looseObjects);
  if (base === undefined || base.objects < geometricFactor * combined) return { kind: 'full' };
  if (packs.length < 2 && survey.looseObjects === 0) return { kind: 'none' };
  return { kind: 'combine', packs: packs.map(({ name }) => name) };
}

/** Unreachable objects are there, and were last looked at longer ago than they are kept. */
function hasExpired({ survey, retired, nowMs, lastFullAtMs }: PackState, limits: Limits): boolean {
  const hasCruft = survey.packs.some((pack) => pack.isCruft && !retired.has(pack.name));
  return hasCruft && nowMs - (lastFullAtMs ?? 0) > limits.unreachableGraceMs;
}

/** The smallest packs that have to become one so that sizes form a geometric progression again (git-repack(1), --geometric). */
export function geometricRollUp(packs: readonly PackFacts[], looseObjects: number): readonly PackFacts[] {
  const ascending = packs.toSorted((one, other) => one.objects - other.objects);
  let split = 0;
  let smaller = looseObjects;
  for (const [index, { objects }] of ascending.entries()) {
    if (objects < geometricFactor * smaller) split = index + 1;
    smaller += objects;
  }
  return ascending.slice(0, split);
}
