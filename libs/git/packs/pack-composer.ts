import { type ObjectFormat, type Oid, PackhorseError } from '#base';
import type { PackPart, PackRequest, Ref, RefSnapshot } from '#wire';
import { encodeEntry, encodePack, type PackedObject } from '../objects/pack-encoder.ts';
import type { RawObject } from '../objects/raw.ts';
import type { CachedRequest, PackCache, StoredPack } from '../pack-cache/pack-cache.ts';
import { type PackKey, packKey } from '../pack-cache/pack-key.ts';
import { ConcurrencyLimit } from '../process/limit.ts';
import type { Storage } from '../storage.ts';
import { type BasePack, isSamePack, largestPack, packHeaderBytes } from './base-pack.ts';
import { type BaseRecord, type ObjectsBeyond, examineBase, objectsBeyond } from './base-record.ts';
import { BaseRecords } from './base-records.ts';
import { ComposedPack, type ComposedPackParts, type PackHash } from './composed-pack.ts';
import { HashThreads } from './hash-threads.ts';
import { packObjects } from './pack-producer.ts';

/** What composing needs of a repository. */
export interface ComposerSource {
  /** Never used again for another repository. */
  readonly id: string;
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  /** The object as it is; undefined when it does not exist. */
  readonly read: (oid: Oid) => Promise<RawObject | undefined>;
  /** True when `oid` is a commit itself, and no tag of one. */
  readonly isCommit: (oid: Oid) => Promise<boolean>;
  /** True when all of `oids`, which are commits, are ancestors of some of `tips`. */
  readonly reachable: (oids: readonly Oid[], tips: readonly Oid[]) => Promise<boolean>;
}

/** With more tags that were not asked for, git finds out which of them belong to a pack. */
const maxUnaskedTags = 20_000;
/** Composed packs that are remembered; past it the least recently used is composed again when it is asked for. */
const maxComposed = 64;
/** More than this of what is beyond a base is kept in a file. */
const maxInMemoryBytes = 256 * 1024;
/** Repositories whose pack was looked at in vain. */
const maxRefusals = 4096;
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
  readonly #records: BaseRecords;
  readonly #refusals = new Map<string, Refusal>();
  readonly #examined = new Map<string, Promise<void>>();
  readonly #threads: HashThreads;
  readonly #background = new ConcurrencyLimit(1, 1024);
  /** Fetches that were answered with a composed pack. */
  served = 0;
  /** Packs that were composed for them. */
  made = 0;

  /** `recordsPath`: the directory for what is known of base packs. */
  constructor(storage: Storage, cache: PackCache, recordsPath: string) {
    this.#storage = storage;
    this.#cache = cache;
    this.#records = new BaseRecords(recordsPath, storage.random);
    this.#threads = new HashThreads(storage.clock);
  }

  /** The pack for a request of everything reachable from its wants; undefined when there is no base for it. */
  async serve(
    source: ComposerSource,
    request: PackRequest,
    refs: RefSnapshot,
    key: PackKey,
  ): Promise<AsyncIterable<PackPart> | undefined> {
    // Once more when the base pack was replaced meanwhile.
    for (const _ of [1, 2]) {
      const composed = await this.#find(source, request, refs, key);
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

  /** Composes a pack and its checksum ahead of the request that is going to ask for it. */
  async prepare(
    source: ComposerSource,
    request: PackRequest,
    refs: RefSnapshot,
    key: PackKey,
  ): Promise<void> {
    const composed = await this.#find(source, request, refs, key);
    // It may have been forgotten meanwhile.
    if (this.#composed.has(key)) composed?.prepare();
  }

  /** Forgets what nobody is going to ask for any more; who is reading it gets the rest. */
  forget(key: PackKey): void {
    this.#drop(key);
  }

  /** For a repository that is gone. */
  async forgetRepository(id: string): Promise<void> {
    this.#refusals.delete(id);
    await this.#records.forget(id);
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
    await this.#threads.close();
  }

  async #find(
    source: ComposerSource,
    request: PackRequest,
    refs: RefSnapshot,
    key: PackKey,
  ): Promise<ComposedPack | undefined> {
    const known = this.#composed.get(key);
    const composing = known ?? this.#compose(source, request, refs);
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

  async #compose(
    source: ComposerSource,
    request: PackRequest,
    refs: RefSnapshot,
  ): Promise<ComposedPack | undefined> {
    const { objectFormat: format } = source;
    const tags = unaskedTags(request, refs);
    const wants = [...new Set([...request.wants, ...tags.map(({ oid }) => oid)])];
    const record = await this.baseFor(source, wants);
    if (record === undefined || !(await leadTo(source, request.wants, tags))) return undefined;
    // A push comes sooner or later, and then a checksum is needed.
    this.#threads.warm();
    const { pack } = record;
    const found = await objectsBeyond(this.#storage, source, record, wants);
    const added = 'objects' in found ? found.objects.length : found.listed.length;
    if (added > record.count) return undefined;
    const beyond = added === 0 ? undefined : await this.#pack(source, request, pack, found);
    if (added > 0 && beyond === undefined) return undefined;
    const hash: PackHash = (job, signal) => this.#threads.hash(job, signal);
    this.made += 1;
    return new ComposedPack({ pack, format, count: record.count + added, beyond, hash });
  }

  /** What is beyond the base; little of it stays in memory, more is a pack of the cache like any other. */
  async #pack(
    source: ComposerSource,
    request: PackRequest,
    pack: BasePack,
    found: ObjectsBeyond,
  ): Promise<ComposedPackParts['beyond']> {
    if ('listed' in found) {
      const input = [...found.edges, ...found.listed];
      const produce: CachedRequest['produce'] = (signal) =>
        packObjects(this.#storage, source.gitDir, input, signal);
      return await this.#store(source, request, pack, found.listed.length, produce);
    }
    const { objects } = found;
    const entries = await encodeWithin(objects, maxInMemoryBytes);
    return (
      entries ??
      (await this.#store(source, request, pack, objects.length, async function* () {
        for await (const bytes of encodePack(objects, source.objectFormat)) yield { kind: 'data', bytes };
      }))
    );
  }

  async #store(
    { id, objectFormat }: ComposerSource,
    request: PackRequest,
    pack: BasePack,
    count: number,
    produce: CachedRequest['produce'],
  ): Promise<StoredPack | undefined> {
    const { wants, haves, clientShallows, newShallows, unshallows } = request;
    const decisive = { wants, haves, clientShallows, newShallows, unshallows };
    const flags = { thinPack: true, ofsDelta: true, includeTag: false, progress: false };
    const key = packKey(id, objectFormat, { ...decisive, ...flags }, ['beyond', pack.path]);
    const stored = await this.#cache.hold({ key, admission: 'first', progress: false, produce });
    if (stored === undefined || (await countOf(stored)) === count) return stored;
    await stored.handle.close();
    throw new PackhorseError('internal', 'A pack has not the objects that it was made for.');
  }

  /** What is known of the pack, if that serves who wants `wants`; else it is looked at. */
  async #recordFor(
    source: ComposerSource,
    pack: BasePack,
    wants: readonly Oid[],
  ): Promise<BaseRecord | undefined> {
    const known = await this.#records.get(source.id);
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
      if (record === undefined) this.#refuse(id, { pack, wants: text });
      else await this.#records.put(id, record);
      return record;
    };
  }

  #refuse(id: string, refusal: Refusal): void {
    this.#refusals.delete(id);
    this.#refusals.set(id, refusal);
    const [oldest] = this.#refusals.keys();
    if (this.#refusals.size > maxRefusals && oldest !== undefined) this.#refusals.delete(oldest);
  }
}

/** True when a request is for everything that its wants reach, and its client understands every form that a stored pack may have. */
export function isComposable(request: PackRequest): boolean {
  const { haves, clientShallows, newShallows, unshallows } = request;
  const isWhole = [haves, clientShallows, newShallows, unshallows].every((oids) => oids.length === 0);
  if (!isWhole || request.filter !== undefined || request.allowMissingPromised === true) return false;
  return request.ofsDelta;
}

/** Tags that are not asked for by name and that git would add, as their commits are in the pack (gitprotocol-capabilities, "include-tag"). */
function unaskedTags({ wants, includeTag }: PackRequest, refs: RefSnapshot): readonly Ref[] {
  if (!includeTag) return [];
  const wanted = new Set(wants);
  return refs.withPrefix('refs/tags/').filter(({ oid, peeled }) => peeled !== undefined && !wanted.has(oid));
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
  // What was a tip is nearly always an ancestor of the one that took its place.
  const further = wants.filter((oid) => !tips.has(oid));
  if (further.length > 0 && (await source.reachable(others, further))) return true;
  return await source.reachable(others, wants);
}

/** True when all `tags` are of commits that `wants` reach: git would add each of them, and no other. */
async function leadTo(source: ComposerSource, wants: readonly Oid[], tags: readonly Ref[]): Promise<boolean> {
  if (tags.length === 0) return true;
  if (tags.length > maxUnaskedTags) return false;
  const targets = new Set(tags.flatMap(({ peeled }) => peeled ?? []));
  for (const oid of targets) if (!(await source.isCommit(oid))) return false;
  return await source.reachable([...targets], wants);
}

/** The objects as they stand in a pack; undefined when that is more than `maxBytes`. */
async function encodeWithin(objects: readonly PackedObject[], maxBytes: number): Promise<Buffer | undefined> {
  const entries: Buffer[] = [];
  let sizeBytes = 0;
  for (const object of objects) {
    const entry = await encodeEntry(object);
    sizeBytes += entry.length;
    if (sizeBytes > maxBytes) return undefined;
    entries.push(entry);
  }
  return Buffer.concat(entries);
}

async function countOf({ handle }: StoredPack): Promise<number> {
  const header = Buffer.alloc(packHeaderBytes);
  await handle.read(header, 0, packHeaderBytes, 0);
  return header.readUInt32BE(8);
}
