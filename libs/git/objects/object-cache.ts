import { LRUCache } from 'lru-cache';
import type { Oid } from '#base';
import type { Relation } from '../commit-graph/relation.ts';
import type { BlobFields, CommitFields, Diff, TagFields } from '../reader.ts';
import type { ObjectHeader } from './raw.ts';
import type { TreeLine } from './tree-object.ts';

/** What is cached, by kind. Every key is made of object ids and of what was asked about them, so nothing goes stale. */
export interface Cacheable {
  readonly header: ObjectHeader;
  readonly commit: CommitFields;
  readonly tree: readonly TreeLine[];
  readonly tag: TagFields;
  readonly blob: Buffer;
  readonly blobFields: BlobFields;
  /** Ids of the commits of a history page, one more than were asked for when there are more. */
  readonly history: readonly Oid[];
  readonly lastCommits: ReadonlyMap<string, Oid>;
  readonly diff: Diff;
  readonly relation: Relation;
}

export type CacheKind = keyof Cacheable;

export interface ObjectCacheOptions {
  readonly maxBytes: number;
  /** Larger objects are not kept. */
  readonly maxEntryBytes: number;
}

interface Entry {
  readonly value: Cacheable[CacheKind];
  readonly sizeBytes: number;
}

/** What an entry costs besides its value: its key, its place in the map, its object. */
const overheadBytes = 200;

/**
 * Parsed objects and what was computed from them, for all repositories of a node, within one
 * budget of bytes: the least recently used go first. Each repository sees only what it put in
 * itself, so that an id never shows an object of another repository.
 */
export class ObjectCache {
  readonly #entries: LRUCache<string, Entry>;
  readonly #maxObjectBytes: number;
  readonly #maxResultBytes: number;
  #hits = 0;
  #misses = 0;

  constructor(options: ObjectCacheOptions) {
    this.#maxObjectBytes = options.maxEntryBytes;
    // What was computed may be larger than an object and is dearer, but must not empty the cache.
    this.#maxResultBytes = Math.max(options.maxEntryBytes, options.maxBytes / 8);
    this.#entries = new LRUCache({
      maxSize: Math.max(1, options.maxBytes),
      sizeCalculation: (entry) => entry.sizeBytes,
    });
  }

  /** The part of one repository. Ids of repositories are never used again for another one. */
  of(repositoryId: string): RepositoryCache {
    return new RepositoryCache(this, repositoryId);
  }

  get sizeBytes(): number {
    return this.#entries.calculatedSize;
  }

  /** For metrics. */
  get counts(): {
    readonly entries: number;
    readonly sizeBytes: number;
    readonly hits: number;
    readonly misses: number;
  } {
    return { entries: this.#entries.size, sizeBytes: this.sizeBytes, hits: this.#hits, misses: this.#misses };
  }

  read(key: string): Cacheable[CacheKind] | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#misses += 1;
    else this.#hits += 1;
    return entry?.value;
  }

  write(kind: CacheKind, key: string, value: Cacheable[CacheKind], sizeBytes: number): void {
    const isObject = kind === 'blob' || kind === 'tree' || kind === 'commit';
    if (sizeBytes > (isObject ? this.#maxObjectBytes : this.#maxResultBytes)) return;
    this.#entries.set(key, { value, sizeBytes: Math.ceil(sizeBytes) + overheadBytes });
  }
}

/** One repository's entries. */
export class RepositoryCache {
  readonly #cache: ObjectCache;
  readonly #prefix: string;
  readonly #loading = new Map<string, Promise<unknown>>();

  constructor(cache: ObjectCache, repositoryId: string) {
    this.#cache = cache;
    // No id ends with a NUL, so no id with its key reads like another id with another key.
    this.#prefix = `${repositoryId}\0`;
  }

  get<Kind extends CacheKind>(kind: Kind, key: string): Cacheable[Kind] | undefined {
    // What is written under a kind is of that kind.
    return this.#cache.read(`${this.#prefix}${kind} ${key}`) as Cacheable[Kind] | undefined;
  }

  set<Kind extends CacheKind>(kind: Kind, key: string, value: Cacheable[Kind]): void {
    this.#cache.write(kind, `${this.#prefix}${kind} ${key}`, value, sizers[kind](value));
  }

  /**
   * The entry, loaded when it is not there. Who asks while it is being loaded shares the load,
   * and with it its failure. What cannot be found (undefined) is not remembered.
   */
  async fetch<Kind extends CacheKind>(
    kind: Kind,
    key: string,
    load: () => Promise<Cacheable[Kind] | undefined>,
  ): Promise<Cacheable[Kind] | undefined> {
    const cached = this.get(kind, key);
    if (cached !== undefined) return cached;
    const name = `${kind} ${key}`;
    const running = this.#loading.get(name);
    if (running !== undefined) return (await running) as Cacheable[Kind] | undefined;
    const loading = load();
    this.#loading.set(name, loading);
    try {
      const value = await loading;
      if (value !== undefined) this.set(kind, key, value);
      return value;
    } finally {
      this.#loading.delete(name);
    }
  }
}

/** Memory of a string as V8 keeps it, at worst. */
const text = (value: string): number => 2 * value.length + 16;
const total = <Item>(items: Iterable<Item>, size: (item: Item) => number): number => {
  let sum = 0;
  for (const item of items) sum += size(item);
  return sum;
};
const oidBytes = 80;

/** How many bytes of memory a value takes, roughly and rather too many than too few. */
const sizers: { readonly [Kind in CacheKind]: (value: Cacheable[Kind]) => number } = {
  header: () => 48,
  commit: (commit) =>
    500 +
    oidBytes * (2 + commit.parents.length) +
    total([commit.author, commit.committer], ({ name, email }) => text(name) + text(email)) +
    text(commit.summary) +
    text(commit.body),
  tree: (lines) => total(lines, (line) => 80 + oidBytes + text(line.name) + (line.rawName?.length ?? 0)),
  tag: (tag) => 400 + 2 * oidBytes + text(tag.name) + text(tag.summary) + text(tag.body),
  blob: (bytes) => bytes.length + 100,
  blobFields: () => 64 + oidBytes,
  history: (oids) => 16 + oids.length * oidBytes,
  lastCommits: (commits) => total(commits.keys(), (name) => 64 + text(name) + oidBytes),
  diff: (diff) =>
    total(
      diff.files,
      (file) =>
        300 +
        text(file.oldPath) +
        text(file.newPath) +
        total(
          file.hunks,
          (hunk) => 100 + text(hunk.header) + total(hunk.lines, (line) => 72 + text(line.text)),
        ),
    ),
  relation: ({ mergeBases }) => 64 + mergeBases.length * oidBytes,
};
