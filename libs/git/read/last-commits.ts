import type { Clock, Oid } from '#base';
import type { CommitFields } from '../reader.ts';
import type { ReadContext } from './context.ts';
import { LastCommitsSearch } from './last-commits-search.ts';
import { pathSegments } from './path.ts';
import { listDirectory } from './trees.ts';

interface Running {
  readonly search: LastCommitsSearch;
  readonly done: Promise<boolean>;
}

/** Searches that may go on after the one who asked was answered with what was found by then. */
const maxBackgroundSearches = 2;

/** The last commits of directories, for one repository: one search per directory at a time, whoever asks. */
export class LastCommits {
  readonly #running = new Map<string, Running>();

  /**
   * As `RepositoryReader.lastCommits`. What takes longer than `lastCommitsTimeMs` is answered in
   * part and goes on, so that who asks again gets more.
   */
  async find(
    context: ReadContext,
    commit: CommitFields,
    directory: string,
  ): Promise<ReadonlyMap<string, CommitFields>> {
    const path = pathSegments(directory).join('/');
    const key = `${commit.oid} ${path}`;
    const cached = context.objects.cache.get('lastCommits', key);
    if (cached !== undefined) return await withFields(context, cached);
    // Throws when there is no such directory.
    await listDirectory(context, commit.treeOid, path);
    const { search, done } = this.#running.get(key) ?? this.#start(context, commit, path, key);
    await within(context.clock, context.settings.lastCommitsTimeMs, done);
    return await withFields(context, search.found);
  }

  #start(context: ReadContext, commit: CommitFields, path: string, key: string): Running {
    const { clock, settings, objects } = context;
    // It may outlive the request that began it.
    const { signal: _, ...lasting } = context;
    const search = new LastCommitsSearch(lasting, commit, path);
    const startedMs = clock.nowMs();
    const stop = (): boolean => {
      const tookMs = clock.nowMs() - startedMs;
      if (tookMs >= settings.readTimeoutMs) return true;
      return tookMs >= settings.lastCommitsTimeMs && this.#running.size > maxBackgroundSearches;
    };
    const done = search
      .run(stop)
      .then((complete) => {
        if (complete) objects.cache.set('lastCommits', key, search.found);
        return complete;
      })
      .finally(() => this.#running.delete(key));
    const running = { search, done };
    this.#running.set(key, running);
    return running;
  }
}

/** Waits for `done`, but not longer than `timeoutMs`; a failure after that is nobody's. */
async function within(clock: Clock, timeoutMs: number, done: Promise<boolean>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(timeoutMs, resolve);
  done.catch(() => undefined);
  try {
    await Promise.race([done, late]);
  } finally {
    cancel();
  }
}

async function withFields(
  { objects }: ReadContext,
  found: ReadonlyMap<string, Oid>,
): Promise<ReadonlyMap<string, CommitFields>> {
  const oids = [...new Set(found.values())];
  const commits = await Promise.all(oids.map((oid) => objects.findCommit(oid)));
  const byOid = new Map(
    commits.flatMap((commit) => (commit === undefined ? [] : [[commit.oid, commit] as const])),
  );
  const fields = new Map<string, CommitFields>();
  for (const [name, oid] of found) {
    const commit = byOid.get(oid);
    if (commit !== undefined) fields.set(name, commit);
  }
  return fields;
}
