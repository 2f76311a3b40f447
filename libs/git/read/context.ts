import type { Clock, Settings } from '#base';
import type { RefSnapshot } from '#wire';
import type { FindCommit } from '../commit-graph/relation.ts';
import type { RepositoryObjects } from '../objects/repository-objects.ts';
import type { GitRunner } from '../process/git-runner.ts';
import type { ConcurrencyLimit } from '../process/limit.ts';
import type { LastCommits } from './last-commits.ts';

/** What the reads of one repository work with. */
export interface ReadContext {
  readonly gitDir: string;
  readonly objects: RepositoryObjects;
  readonly git: GitRunner;
  readonly clock: Clock;
  readonly settings: Settings['git'];
  /** Searches of all readers of the repository, so that who asks the same shares the work. */
  readonly lastCommits: LastCommits;
  /** Processes that stream large blobs, for the whole node. */
  readonly blobStreams: ConcurrencyLimit;
  /** For walks through the history, as it is now. */
  readonly commits: () => Promise<FindCommit>;
  /** The refs that these reads see. */
  readonly refs: () => Promise<RefSnapshot>;
  /** Aborted when the answer is not wanted any more. */
  readonly signal?: AbortSignal;
}
