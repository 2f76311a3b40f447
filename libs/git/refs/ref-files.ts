import type { Ref } from '#wire';
import { unlessMissing } from '../volume/disk.ts';
import { areUnchanged, isUnchanged, type SeenFile, type SeenPath } from '../volume/seen-file.ts';
import {
  type LooseDirectory,
  type LooseFile,
  type LooseReader,
  looseValues,
  readLooseDirectory,
  readLooseFile,
  type RefValue,
  seenPaths,
} from './loose-refs.ts';
import { noPackedRefs, type PackedRefs, parsePackedRefs } from './packed-refs.ts';
import { compareRefNames } from './ref-name.ts';

/** Everything that the files of a repository say about refs, unresolved. */
export interface RefFilesState {
  readonly head: RefValue;
  /** These win over `packed`. */
  readonly loose: ReadonlyMap<string, RefValue>;
  readonly packed: PackedRefs;
}

interface PackedFile {
  readonly packed: PackedRefs;
  readonly file: SeenFile;
}

const neverSeen: SeenFile = { stamp: undefined, readAtMs: 0 };

const maxSymrefDepth = 5;

/** HEAD, packed-refs and the loose refs of one repository: reads what changed since the last look, by stat. */
export class RefFiles {
  readonly #gitDir: string;
  readonly #reader: LooseReader;
  #head: LooseFile | undefined;
  #directory: LooseDirectory | undefined;
  #packed: PackedFile = { packed: noPackedRefs, file: neverSeen };
  #state: RefFilesState | undefined;
  /** Everything that `#state` was read from. */
  #seen: readonly SeenPath[] = [];

  constructor(gitDir: string, reader: LooseReader) {
    this.#gitDir = gitDir;
    this.#reader = reader;
  }

  /**
   * The refs as they are on disk now; the same object as before when nothing changed. Loose refs
   * are read before packed ones, because git packs a ref before it removes the loose file.
   * Must not run twice at the same time.
   */
  async refresh(): Promise<RefFilesState> {
    if (this.#state !== undefined && (await areUnchanged(this.#reader.disk, this.#seen))) return this.#state;
    const readAtMs = this.#reader.nowMs();
    this.#head = await readLooseFile(this.#reader, `${this.#gitDir}/HEAD`, this.#head);
    this.#directory = await readLooseDirectory(this.#reader, `${this.#gitDir}/refs`, this.#directory);
    const packed = await this.packed();
    this.#seen = this.#seenPaths({ stamp: undefined, readAtMs });
    const head: RefValue = this.#head?.value ?? { kind: 'broken' };
    const loose = new Map(this.#directory === undefined ? [] : looseValues(this.#directory, 'refs'));
    const before = this.#state;
    if (before?.head === head && before.packed === packed && sameValues(before.loose, loose)) return before;
    this.#state = { head, loose, packed };
    return this.#state;
  }

  /** In the order in which they are read: a ref moves from its loose file into the packed ones, never back. */
  #seenPaths(missing: SeenFile): readonly SeenPath[] {
    const refs = `${this.#gitDir}/refs`;
    return [
      { path: `${this.#gitDir}/HEAD`, seen: this.#head ?? missing },
      ...(this.#directory === undefined ? [{ path: refs, seen: missing }] : seenPaths(this.#directory, refs)),
      { path: `${this.#gitDir}/packed-refs`, seen: this.#packed.file },
    ];
  }

  /** The packed-refs file as it is on disk now. */
  async packed(): Promise<PackedRefs> {
    const path = `${this.#gitDir}/packed-refs`;
    const readAtMs = this.#reader.nowMs();
    const stamp = await unlessMissing(this.#reader.disk.stamp(path));
    if (isUnchanged(this.#packed.file, stamp)) return this.#packed.packed;
    const bytes = stamp && (await unlessMissing(this.#reader.disk.read(path)));
    const packed = bytes === undefined ? noPackedRefs : parsePackedRefs(bytes, this.#reader.format);
    this.#packed = { packed, file: { stamp, readAtMs } };
    return packed;
  }

  /** What one ref (or HEAD) says on disk now, loose before packed; undefined when it does not exist. */
  async value(name: string): Promise<RefValue | undefined> {
    const loose = await readLooseFile(this.#reader, `${this.#gitDir}/${name}`);
    if (loose !== undefined) return loose.value;
    const ref = findPacked(await this.packed(), name);
    return ref === undefined ? undefined : { kind: 'oid', oid: ref.oid };
  }
}

function sameValues(one: ReadonlyMap<string, RefValue>, other: ReadonlyMap<string, RefValue>): boolean {
  if (one.size !== other.size) return false;
  for (const [name, value] of one) if (other.get(name) !== value) return false;
  return true;
}

/** The packed ref of that name, found by binary search. */
export function findPacked(packed: PackedRefs, name: string): Ref | undefined {
  let low = 0;
  let high = packed.refs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const ref = packed.refs[middle];
    if (ref !== undefined && compareRefNames(ref.name, name) < 0) low = middle + 1;
    else high = middle;
  }
  const ref = packed.refs[low];
  return ref?.name === name ? ref : undefined;
}

/** Where a chain of symbolic refs ends: the last name, and its object when there is one. undefined for a loop or a broken ref. */
export function resolveSymref(
  state: RefFilesState,
  value: RefValue,
): { readonly target: string | undefined; readonly oid: string | undefined } | undefined {
  let current: RefValue | undefined = value;
  let target: string | undefined;
  for (let depth = 0; depth <= maxSymrefDepth; depth += 1) {
    if (current === undefined) return { target, oid: undefined };
    if (current.kind === 'broken') return undefined;
    if (current.kind === 'oid') return { target, oid: current.oid };
    ({ target } = current);
    const packed = findPacked(state.packed, target);
    current =
      state.loose.get(target) ?? (packed === undefined ? undefined : { kind: 'oid', oid: packed.oid });
  }
  return undefined;
}
