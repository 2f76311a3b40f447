import { createHash } from 'node:crypto';
import type { Oid } from '#base';
import type { PackPart, PackRequest, RefSnapshot } from '#wire';
import { packKey } from '../pack-cache/pack-key.ts';
import type { Storage } from '../storage.ts';
import { unlessMissing } from '../volume/disk.ts';
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

  constructor(storage: Storage, source: RepositoryPacksSource) {
    this.#storage = storage;
    this.#source = source;
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
    const { id, objectFormat } = this.#source;
    const facts = await this.#facts(request);
    const key = packKey(id, objectFormat, request, facts.values);
    // What a client has is seldom what another one has, except for a crowd that follows the same branch.
    const admission = request.haves.length === 0 ? 'first' : 'second';
    const cached = { key, admission, progress: request.progress, produce } as const;
    const stored = await packCache.find(cached, signal);
    if (stored !== undefined) return stored;
    if (facts.isPlain && isComposable(request, await this.#source.refs())) {
      const composed = await composer?.serve(this.#composerSource, request, key);
      if (composed !== undefined) return composed;
    }
    return packCache.serve(cached, signal);
  }

  get #composerSource(): ComposerSource {
    const { commitNode } = this.#source;
    return { ...this.#source, isCommit: async (oid) => (await commitNode(oid))?.oid === oid };
  }

  /** Where history was cut by others, and the tags that come along. */
  async #facts(request: PackRequest): Promise<Facts> {
    const { gitDir } = this.#source;
    const [shallows, grafts] = await Promise.all([
      this.#source.shallows(),
      unlessMissing(this.#storage.disk.stamp(`${gitDir}/info/grafts`)),
    ]);
    const values = [JSON.stringify([...shallows].toSorted()), JSON.stringify(grafts ?? null)];
    if (request.includeTag) values.push(tagsDigest(await this.#source.refs()));
    return { isPlain: shallows.size === 0 && grafts === undefined, values };
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
