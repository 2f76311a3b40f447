import type { Oid } from '#base';
import type { PackRequest, RefSnapshot } from '#wire';

/** What clones ask for: branches and tags, or with `--mirror` everything. */
const selections = [['refs/heads/', 'refs/tags/'], ['refs/']] as const;

type Selection = (typeof selections)[number];

/** Changes after the last clone whose clones are foretold: a repository that nobody clones any more costs nothing. */
const maxAhead = 8;
/** With more refs it costs too much to foretell. */
const maxRefs = 20_000;

/** Foretells from the last clone of a repository what one would ask for after its refs have changed. */
export class CloneForecast {
  #last: { readonly request: PackRequest; readonly selection: Selection } | undefined;
  #left = 0;

  /** Hears of a clone. */
  saw(request: PackRequest, snapshot: RefSnapshot): void {
    if (snapshot.refs.length > maxRefs) return;
    const wants = new Set(request.wants);
    const selection = selections.find((each) => isSame(wants, tipsOf(snapshot, each)));
    this.#last = selection && { request: { ...request, progress: false }, selection };
    this.#left = maxAhead;
  }

  get isExpected(): boolean {
    return this.#last !== undefined && this.#left > 0;
  }

  /** What a clone would ask for now; undefined when none is expected. */
  next(snapshot: RefSnapshot): PackRequest | undefined {
    if (this.#last === undefined || !this.isExpected || snapshot.refs.length > maxRefs) return undefined;
    this.#left -= 1;
    const { request, selection } = this.#last;
    return { ...request, wants: [...tipsOf(snapshot, selection)] };
  }
}

function tipsOf(snapshot: RefSnapshot, selection: Selection): ReadonlySet<Oid> {
  return new Set(selection.flatMap((prefix) => snapshot.withPrefix(prefix).map(({ oid }) => oid)));
}

function isSame(one: ReadonlySet<Oid>, other: ReadonlySet<Oid>): boolean {
  return one.size === other.size && one.isSubsetOf(other);
}
