import { createHash } from 'node:crypto';
import type { Oid } from '#base';
import type { Deepen, RefSnapshot } from './repository.ts';

/** What decides where the history of somebody who has nothing is cut off. */
export interface BoundaryQuestion {
  readonly snapshot: RefSnapshot;
  /** The repository's own shallow commits: the same set as long as they are the same. */
  readonly shallows: ReadonlySet<Oid>;
  readonly wants: readonly Oid[];
  readonly deepen: Deepen;
}

interface Answer {
  readonly shallows: ReadonlySet<Oid>;
  readonly boundary: ReadonlySet<Oid>;
}

/** Boundaries kept with one snapshot, the least recently used go first, and how large one may be. */
const maxAnswers = 32;
const maxBoundaryCommits = 50_000;

const answers = new WeakMap<RefSnapshot, Map<string, Answer>>();

/** The boundary from when it was last asked for at the same refs, or from `find`. */
export async function rememberedBoundary(
  { snapshot, shallows, wants, deepen }: BoundaryQuestion,
  find: () => Promise<ReadonlySet<Oid>>,
): Promise<ReadonlySet<Oid>> {
  const known = answers.get(snapshot) ?? new Map<string, Answer>();
  answers.set(snapshot, known);
  const text = JSON.stringify([wants.toSorted(), deepen]);
  const key = createHash('sha256').update(text).digest('base64');
  const before = known.get(key);
  known.delete(key);
  const isCurrent = before?.shallows === shallows;
  const boundary = isCurrent ? before.boundary : await find();
  if (boundary.size <= maxBoundaryCommits) known.set(key, { shallows, boundary });
  const [oldest] = known.keys();
  if (known.size > maxAnswers && oldest !== undefined) known.delete(oldest);
  return boundary;
}
