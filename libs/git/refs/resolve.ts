import type { Oid } from '#base';
import { type Head, isValidRefName, type Ref } from '#wire';
import type { ObjectReader } from '../object-reader.ts';
import { forEachBounded } from '../volume/disk.ts';
import type { RefValue } from './loose-refs.ts';
import { type RefFilesState, resolveSymref } from './ref-files.ts';
import { merge } from './snapshot.ts';

const peelConcurrency = 16;

/** Whether a ref of that name may be an annotated tag; branches are always commits. */
function mayBeTag(name: string): boolean {
  return !name.startsWith('refs/heads/');
}

/** What tags peel to, and which objects are known to exist: objects never change, so it is asked once. */
export class ObjectFacts {
  readonly #objects: ObjectReader;
  /** The peeled id, or undefined for an object that is no tag. */
  #peeled = new Map<Oid, Oid | undefined>();
  #existing = new Set<Oid>();

  constructor(objects: ObjectReader) {
    this.#objects = objects;
  }

  /** `refs` with `peeled` set where a ref is an annotated tag. */
  async peel(refs: readonly Ref[]): Promise<Ref[]> {
    const unknown = new Set(
      refs.filter((ref) => mayBeTag(ref.name) && !this.#peeled.has(ref.oid)).map((ref) => ref.oid),
    );
    await forEachBounded(unknown, peelConcurrency, async (oid) => {
      this.#peeled.set(oid, await this.#objects.peelTag(oid));
    });
    return refs.map((ref) => {
      const peeled = mayBeTag(ref.name) ? this.#peeled.get(ref.oid) : undefined;
      return peeled === undefined ? ref : { ...ref, peeled };
    });
  }

  /** `refs` without those whose object is missing, which git does not show either. */
  async withoutDangling(refs: readonly Ref[]): Promise<readonly Ref[]> {
    const unknown = new Set(refs.filter((ref) => !this.#existing.has(ref.oid)).map((ref) => ref.oid));
    if (unknown.size === 0) return refs;
    for (const oid of await this.#objects.existing([...unknown])) this.#existing.add(oid);
    const kept = refs.filter((ref) => this.#existing.has(ref.oid));
    return kept.length === refs.length ? refs : kept;
  }

  /** Whether what a ref says is nothing, or an object that is missing. */
  async leadsNowhere(value: RefValue): Promise<boolean> {
    if (value.kind !== 'oid') return value.kind === 'broken';
    return (await this.#objects.existing([value.oid])).size === 0;
  }

  /** Forgets what is not about `refs` once that has become most of what is remembered. */
  trim(refs: readonly Ref[]): void {
    const limit = 2 * refs.length + 1024;
    if (this.#peeled.size <= limit && this.#existing.size <= limit) return;
    const peeled = this.#peeled;
    this.#peeled = new Map(
      refs.filter((ref) => peeled.has(ref.oid)).map((ref) => [ref.oid, peeled.get(ref.oid)]),
    );
    this.#existing = new Set(refs.map((ref) => ref.oid));
  }
}

/** HEAD as people see it: the branch that it names, and that branch's commit when it has one. */
export async function resolveHead(state: RefFilesState, facts: ObjectFacts): Promise<Head> {
  const resolved = resolveSymref(state, state.head);
  if (resolved === undefined) return {};
  const { target, oid } = resolved;
  const symref = target === undefined ? {} : { symref: target };
  if (oid === undefined) return symref;
  const [ref] = await facts.peel([{ name: target ?? 'HEAD', oid }]);
  return { oid, ...(ref?.peeled === undefined ? {} : { peeled: ref.peeled }), ...symref };
}

/** All refs that lead to an object, sorted by name and peeled; what is broken is left out. */
export async function resolveRefs(state: RefFilesState, facts: ObjectFacts): Promise<readonly Ref[]> {
  const loose = new Map<string, Ref | undefined>();
  for (const [name, value] of state.loose) {
    const resolved = isValidRefName(name) ? resolveSymref(state, value) : undefined;
    if (resolved?.oid === undefined) loose.set(name, undefined);
    else
      loose.set(name, {
        name,
        oid: resolved.oid,
        ...(resolved.target === undefined ? {} : { symref: resolved.target }),
      });
  }
  const asked = [...loose.values()].filter((ref) => ref !== undefined);
  for (const ref of await facts.peel(asked)) loose.set(ref.name, ref);
  const { packed } = state;
  const complete = packed.peeling === 'all' ? packed.refs : await peelPacked(state, facts);
  return merge(complete, loose);
}

/** For files written by old programs, which do not say what every tag peels to. */
async function peelPacked(state: RefFilesState, facts: ObjectFacts): Promise<readonly Ref[]> {
  const { refs, peeling } = state.packed;
  const isKnown = (ref: Ref): boolean =>
    ref.peeled !== undefined || (peeling === 'tags' && ref.name.startsWith('refs/tags/'));
  const peeled = await facts.peel(refs.filter((ref) => !isKnown(ref)));
  return merge(refs, new Map(peeled.map((ref) => [ref.name, ref])));
}
