import { type ObjectFormat, type Oid, PackhorseError } from '#base';
import type { PackPart, PackRequest, RefSnapshot } from '#wire';
import type { PackCache, StoredPack } from '../pack-cache/pack-cache.ts';
import { type PackKey, packKey } from '../pack-cache/pack-key.ts';
import { ConcurrencyLimit } from '../process/limit.ts';
import type { Storage } from '../storage.ts';
import { type BasePack, isSamePack, largestPack, packHeaderBytes } from './base-pack.ts';
import { type BaseRecord, examineBase, objectsBeyond } from './base-record.ts';
import { ComposedPack } from './composed-pack.ts';
import { packObjects } from './pack-producer.ts';

/** What composing needs of a repository. */
export interface ComposerSource {
  /** Never used again for another repository. */
  readonly id: string;
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  /** True when `oid` is a commit itself, and no tag of one. */
  readonly isCommit: (oid: Oid) => Promise<boolean>;
  /** True when all of `oids`, which are commits, are ancestors of some of `tips`. */
  readonly reachable: (oids: readonly Oid[], tips: readonly Oid[]) => Promise<boolean>;
}

/** Composed packs that are remembered; past it the least recently used is composed again when it is asked for. */
const maxComposed = 64;
/** Repositories whose base pack is known. */
const maxRecords = 4096;
/** Without bitmaps a larger pack is looked at in the background, while the fetch goes another way. */
const maxUnmappedBytes = 16 * 1024 * 1024;

/** A base pack that was looked at in vain, and for which wants. */
interface Refusal {
  readonly pack: BasePack;
  readonly wants: string;
}

/**
 * Makes full packs out of what is on disk already: the largest pack of a repository with what is
 * new beyond it. Knows the base packs of a node's repositories and remembers what it composed.
 */
export class PackComposer {
  readonly #storage: Storage;
  readonly #cache: PackCache;
  readonly #composed = new Map<PackKey, Promise<ComposedPack | undefined>>();
  readonly #records = new Map<string, BaseRecord>();
  readonly #refusals = new Map<string, Refusal>();
  readonly #examined = new Map<string, Promise<void>>();
  readonly #background = new ConcurrencyLimit(1, 1024);
  /** Fetches that were answered with a composed pack. */
  served = 0;

  constructor(storage: Storage, cache: PackCache) {
    this.#storage = storage;
    this.#cache = cache;
  }

  /** The pack for a request of everything reachable from its wants; undefined when there is no base for it. */
  async serve(
    source: ComposerSource,
    request: PackRequest,
    key: PackKey,
  ): Promise<AsyncIterable<PackPart> | undefined> {
    // Once more when the base pack was replaced meanwhile.
    for (const _ of [1, 2]) {
      const composed = await this.#find(source, request, key);
      if (composed === undefined) return undefined;
      const base = await composed.open();
      if (base !== undefined) {
        this.served += 1;
        return composed.read(base, request.progress);
      }
      this.#drop(key);
    }
    return undefined;
  }

  /** What is known of the largest pack, when all of it is reachable from `wants`. */
  async baseFor(source: ComposerSource, wants: readonly Oid[]): Promise<BaseRecord | undefined> {
    const { settings } = this.#storage;
    const pack = await largestPack(this.#storage, source.gitDir, settings.basePackMinBytes);
    return pack === undefined ? undefined : await this.#recordFor(source, pack, wants);
  }

  /** Waits for what is being looked at in the background, and closes all files. */
  async close(): Promise<void> {
    await Promise.all(this.#examined.values());
    for (const key of this.#composed.keys()) this.#drop(key);
  }

  async #find(source: ComposerSource, request: PackRequest, key: PackKey): Promise<ComposedPack | undefined> {
    const known = this.#composed.get(key);
    const composing = known ?? this.#compose(source, request);
    // The most recently used is the last one.
    this.#composed.delete(key);
    this.#composed.set(key, composing);
    const [oldest] = this.#composed.keys();
    if (this.#composed.size > maxComposed && oldest !== undefined) this.#drop(oldest);
    const composed = await composing.catch((error: unknown) => {
      this.#storage.log.warn('A pack could not be composed.', { error, gitDir: source.gitDir });
      return undefined;
    });
    if (composed === undefined && this.#composed.get(key) === composing) this.#composed.delete(key);
    return composed;
  }

  #drop(key: PackKey): void {
    const composing = this.#composed.get(key);
    this.#composed.delete(key);
    void composing?.then(
      (composed) => composed?.retire(),
      () => undefined,
    );
  }

  async #compose(source: ComposerSource, request: PackRequest): Promise<ComposedPack | undefined> {
    const storage = this.#storage;
    const { gitDir, objectFormat: format } = source;
    const { wants } = request;
    const record = await this.baseFor(source, wants);
    if (record === undefined) return undefined;
    const { pack } = record;
    const { objects, edges } = await objectsBeyond(storage, gitDir, format, record, wants);
    if (objects.length === 0) return new ComposedPack(pack, format, record.count, undefined);
    if (objects.length > record.count) return undefined;
    const beyond = await this.#holdBeyond(source, request, pack, [...edges, ...objects]);
    if (beyond === undefined) return undefined;
    if ((await countOf(beyond)) === objects.length) {
      return new ComposedPack(pack, format, record.count + objects.length, beyond);
    }
    await beyond.handle.close();
    throw new PackhorseError('internal', 'A pack has not the objects that it was made for.');
  }

  /** What is beyond the base is a pack of the cache like any other. */
  #holdBeyond(
    { id, gitDir, objectFormat }: ComposerSource,
    request: PackRequest,
    pack: BasePack,
    input: readonly string[],
  ): Promise<StoredPack | undefined> {
    const { wants, haves, clientShallows, newShallows, unshallows } = request;
    const decisive = { wants, haves, clientShallows, newShallows, unshallows };
    const flags = { thinPack: true, ofsDelta: true, includeTag: false, progress: false };
    return this.#cache.hold({
      key: packKey(id, objectFormat, { ...decisive, ...flags }, ['beyond', pack.path]),
      admission: 'first',
      progress: false,
      produce: (signal) => packObjects(this.#storage, gitDir, input, signal),
    });
  }

  /** What is known of the pack, if that serves who wants `wants`; else it is looked at. */
  async #recordFor(
    source: ComposerSource,
    pack: BasePack,
    wants: readonly Oid[],
  ): Promise<BaseRecord | undefined> {
    const known = this.#records.get(source.id);
    if (known !== undefined && isSamePack(known.pack, pack) && (await reaches(source, wants, known.tips))) {
      return known;
    }
    const refusal = this.#refusals.get(source.id);
    const text = wants.toSorted().join();
    if (refusal?.wants === text && isSamePack(refusal.pack, pack)) return undefined;
    const examining = this.#examine(source, pack, wants, text);
    if (pack.hasBitmap || pack.stamp.sizeBytes <= maxUnmappedBytes) return await examining();
    if (!this.#examined.has(source.id)) this.#examined.set(source.id, this.#examineLater(source, examining));
    return undefined;
  }

  async #examineLater(
    { id, gitDir }: ComposerSource,
    examine: () => Promise<BaseRecord | undefined>,
  ): Promise<void> {
    try {
      using _turn = await this.#background.acquire();
      await examine();
    } catch (error) {
      this.#storage.log.warn('A pack could not be looked at.', { error, gitDir });
    } finally {
      this.#examined.delete(id);
    }
  }

  #examine(
    { id, gitDir, objectFormat }: ComposerSource,
    pack: BasePack,
    wants: readonly Oid[],
    text: string,
  ): () => Promise<BaseRecord | undefined> {
    return async () => {
      const record = await examineBase(this.#storage, gitDir, objectFormat, pack, wants);
      if (record === undefined) remember(this.#refusals, id, { pack, wants: text });
      else remember(this.#records, id, record);
      return record;
    };
  }
}

/**
 * True when a request is for everything that its wants reach, tags included, and its client
 * understands every form that a stored pack may have.
 */
export function isComposable(request: PackRequest, snapshot: RefSnapshot): boolean {
  const { wants, haves, clientShallows, newShallows, unshallows } = request;
  const isWhole = [haves, clientShallows, newShallows, unshallows].every((oids) => oids.length === 0);
  if (!isWhole || request.filter !== undefined || request.allowMissingPromised === true) return false;
  if (!request.ofsDelta) return false;
  if (!request.includeTag) return true;
  const wanted = new Set(wants);
  return snapshot
    .withPrefix('refs/tags/')
    .every(({ oid, peeled }) => peeled === undefined || wanted.has(oid));
}

/** True when everything reachable from `tips` is reachable from `wants`. */
async function reaches(
  source: ComposerSource,
  wants: readonly Oid[],
  tips: ReadonlySet<Oid>,
): Promise<boolean> {
  const wanted = new Set(wants);
  const others = [...tips].filter((oid) => !wanted.has(oid));
  if (others.length === 0) return true;
  // A tag that is not wanted itself may be reachable from nothing else.
  for (const oid of others) if (!(await source.isCommit(oid))) return false;
  return await source.reachable(others, wants);
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > maxRecords && oldest !== undefined) map.delete(oldest);
}

async function countOf({ handle }: StoredPack): Promise<number> {
  const header = Buffer.alloc(packHeaderBytes);
  await handle.read(header, 0, packHeaderBytes, 0);
  return header.readUInt32BE(8);
}
