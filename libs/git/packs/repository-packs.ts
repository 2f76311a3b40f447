import { createHash } from 'node:crypto';
import type { ObjectFormat, Oid } from '#base';
import type { PackPart, PackRequest, RefSnapshot } from '#wire';
import { packKey } from '../pack-cache/pack-key.ts';
import type { Storage } from '../storage.ts';
import { unlessMissing } from '../volume/disk.ts';
import { type PackSource, producePack } from './pack-producer.ts';

export interface RepositoryPacksSource extends PackSource {
  /** Never used again for another repository. */
  readonly id: string;
  readonly objectFormat: ObjectFormat;
  readonly refs: () => Promise<RefSnapshot>;
}

/** The packs that one repository sends: from the cache, or from `git pack-objects`. */
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
    const { packCache } = this.#storage;
    const produce = (until: AbortSignal): AsyncIterable<PackPart> =>
      producePack(this.#storage, this.#source, request, until);
    // Where parts of the pack are named by address, the answer is more than a pack.
    if (packCache === undefined || request.uriProtocols !== undefined) return produce(signal);
    const { id, objectFormat } = this.#source;
    const key = packKey(id, objectFormat, request, await this.#facts(request));
    // What a client has is seldom what another one has, except for a crowd that follows the same branch.
    const admission = request.haves.length === 0 ? 'first' : 'second';
    return packCache.serve({ key, admission, progress: request.progress, produce }, signal);
  }

  /** What on disk decides a pack besides the request: where history was cut by others, and the tags that come along. */
  async #facts(request: PackRequest): Promise<readonly string[]> {
    const { gitDir } = this.#source;
    const [shallows, grafts] = await Promise.all([
      this.#source.shallows(),
      unlessMissing(this.#storage.disk.stamp(`${gitDir}/info/grafts`)),
    ]);
    const facts = [JSON.stringify([...shallows].toSorted()), JSON.stringify(grafts ?? null)];
    if (request.includeTag) facts.push(tagsDigest(await this.#source.refs()));
    return facts;
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
