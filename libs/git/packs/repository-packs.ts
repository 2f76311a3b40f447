import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Oid, PackhorseError } from '#base';
import type { PackPart, PackRequest, Ref, RefSnapshot } from '#wire';
import { type PackKey, packKey } from '../pack-cache/pack-key.ts';
import type { PublishedFile } from '../published-file.ts';
import type { Storage } from '../storage.ts';
import { unlessMissing } from '../volume/disk.ts';
import { Bundles } from './bundles.ts';
import { CloneForecast } from './clone-forecast.ts';
import { type ComposerSource, isComposable } from './pack-composer.ts';
import { type PackSource, producePack } from './pack-producer.ts';

export interface RepositoryPacksSource extends PackSource, Omit<ComposerSource, 'isCommit'> {
  readonly refs: () => Promise<RefSnapshot>;
}

/** What on disk decides a pack besides its request. */
interface Facts {
  /** Nothing cuts the repository's own history off. */
  readonly isPlain: boolean;
  readonly values: readonly string[];
}

/** The packs that one repository sends: from the cache, composed, or from `git pack-objects`. */
export class RepositoryPacks {
  readonly #storage: Storage;
  readonly #source: RepositoryPacksSource;
  readonly #bundles: Bundles | undefined;
  readonly #forecast = new CloneForecast();
  /** The pack that was prepared last. */
  #prepared: PackKey | undefined;

  constructor(storage: Storage, source: RepositoryPacksSource) {
    this.#storage = storage;
    this.#source = source;
    const { bundlesPath } = storage;
    if (bundlesPath !== undefined) this.#bundles = new Bundles(storage, this.#composerSource, bundlesPath);
  }

  /** The id of the bundle to begin a clone of `refs` with; undefined when there is none. */
  async offerBundle(refs: readonly Ref[]): Promise<string | undefined> {
    const isPlain = refs.length > 0 && (await this.#cuts()).every((cut) => cut === undefined);
    return isPlain ? await this.#bundles?.offer(refs) : undefined;
  }

  /** A bundle that was offered. Throws `not_found`. */
  async openBundle(id: string): Promise<PublishedFile> {
    const bundles = this.#bundles;
    if (bundles === undefined) throw new PackhorseError('not_found', 'There are no bundles here.');
    return await bundles.open(id);
  }

  /** The pack that answers `request`. Leaving the loop or aborting `signal` ends it. */
  async *serve(request: PackRequest, signal: AbortSignal): AsyncGenerator<PackPart, void, undefined> {
    yield* await this.#find(request, signal);
  }

  async #find(request: PackRequest, signal: AbortSignal): Promise<AsyncIterable<PackPart>> {
    const { packCache, composer } = this.#storage;
    const produce = (until: AbortSignal): AsyncIterable<PackPart> =>
      producePack(this.#storage, this.#source, request, until);
    // Where parts of the pack are named by address, the answer is more than a pack.
    if (packCache === undefined || request.uriProtocols !== undefined) return produce(signal);
    // A hook may want to see every fetch, and to answer each in its own way.
    if ((await this.#source.packObjectsHook()) !== undefined) return produce(signal);
    const { id, objectFormat } = this.#source;
    const facts = await this.#facts(request);
    const key = packKey(id, objectFormat, request, facts.values);
    // What a client has is seldom what another one has, except for a crowd that follows the same branch.
    const admission = request.haves.length === 0 ? 'first' : 'second';
    const cached = { key, admission, progress: request.progress, produce } as const;
    const stored = await packCache.find(cached, signal);
    if (stored !== undefined) return stored;
    const refs = await this.#source.refs();
    if (facts.isPlain && isComposable(request)) {
      const composed = await composer?.serve(this.#composerSource, request, refs, key);
      if (composed !== undefined) {
        this.#forecast.saw(request, refs);
        return composed;
      }
    }
    return packCache.serve(cached, signal);
  }

  /**
   * Has the pack ready that the next clone is likely to ask for, now that refs or packs have changed:
   * nothing while nobody clones, and no more for what was prepared before. Never rejects.
   */
  async prepare(): Promise<void> {
    const { composer, log } = this.#storage;
    if (composer === undefined || !this.#forecast.isExpected) return;
    // Whoever made the change is answered first.
    await nextTurn();
    try {
      if ((await this.#source.packObjectsHook()) !== undefined) return;
      const refs = await this.#source.refs();
      const request = this.#forecast.next(refs);
      if (request === undefined) return;
      const facts = await this.#facts(request);
      const key = packKey(this.#source.id, this.#source.objectFormat, request, facts.values);
      if (this.#prepared !== undefined && this.#prepared !== key) composer.forget(this.#prepared);
      this.#prepared = key;
      if (!facts.isPlain || !isComposable(request)) return;
      await composer.prepare(this.#composerSource, request, refs, key);
    } catch (error) {
      log.warn('A pack could not be prepared.', { error, gitDir: this.#source.gitDir });
    }
  }

  get #composerSource(): ComposerSource {
    const { commitNode } = this.#source;
    return { ...this.#source, isCommit: async (oid) => (await commitNode(oid))?.oid === oid };
  }

  /** Where history was cut by others, and the tags that come along. */
  async #facts(request: PackRequest): Promise<Facts> {
    const cuts = await this.#cuts();
    const values = cuts.map((cut) => cut ?? '');
    if (request.includeTag) values.push(tagsDigest(await this.#source.refs()));
    return { isPlain: cuts.every((cut) => cut === undefined), values };
  }

  /** What stands for the repository's shallow commits and for its grafts; undefined where there are none. */
  async #cuts(): Promise<readonly (string | undefined)[]> {
    const { gitDir } = this.#source;
    const [shallows, grafts] = await Promise.all([
      this.#source.shallows(),
      unlessMissing(this.#storage.disk.stamp(`${gitDir}/info/grafts`)),
    ]);
    return [
      shallows.size === 0 ? undefined : [...shallows].toSorted().join(),
      grafts && JSON.stringify(grafts),
    ];
  }
}

const digests = new WeakMap<RefSnapshot, string>();

/** Stands for all tags that `include-tag` may add. */
function tagsDigest(snapshot: RefSnapshot): string {
  const known = digests.get(snapshot);
  if (known !== undefined) return known;
  const tags = snapshot.withPrefix('refs/tags/').filter((tag) => tag.peeled !== undefined);
  const oids = new Set<Oid>(tags.map((tag) => tag.oid));
  const digest = createHash('sha256')
    .update([...oids].toSorted().join('\n'))
    .digest('hex');
  digests.set(snapshot, digest);
  return digest;
}
