import type { Identity, RepositoryAction, RepositoryRecord, Visibility } from '#accounts';
import type { ObjectFormat } from '#base';
import type { RepositoryAgent } from '#git';

/** An authorised repository, located: its record and the agent that serves it. */
export interface OpenRepository {
  readonly record: RepositoryRecord;
  readonly agent: RepositoryAgent;
}

export interface NewRepository {
  readonly ownerLogin: string;
  readonly name: string;
  readonly description?: string;
  readonly visibility: Visibility;
  readonly objectFormat?: ObjectFormat;
  readonly defaultBranch?: string;
  /** Where it is to be, if there is a disk; absent: where this node is. */
  readonly region?: string;
}

/** What the GraphQL and web doors ask about repositories; the same authorisation and placement as for Git. */
export interface RepositoryGateway {
  /** Throws `unauthenticated`, `permission_denied`, `not_found` or `unavailable`. */
  open(
    identity: Identity,
    ownerLogin: string,
    name: string,
    action: RepositoryAction,
  ): Promise<OpenRepository>;
  /** Chooses a volume, creates the repository there and records it. Throws also `already_exists` and `invalid_argument`. */
  create(identity: Identity, input: NewRepository): Promise<OpenRepository>;
  /** Forgets the record, then removes the bytes. */
  remove(identity: Identity, ownerLogin: string, name: string): Promise<void>;
  /**
   * Copies all refs and objects of `source` (a path on this node, for administrators, or an http(s)
   * or git URL) into a repository that is still empty. Text for the user goes to `onProgress`.
   */
  import(
    identity: Identity,
    ownerLogin: string,
    name: string,
    source: string,
    onProgress: (text: string) => void,
  ): Promise<void>;
}
