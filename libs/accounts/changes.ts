/**
 * Tells the other nodes which repository's record, roles or placement have changed, so that they do not
 * go on with what they remember. One that is not told finds out when its memory's time is over.
 */
export interface RepositoryChanges {
  announce(repositoryId: string): void;
  /** `forget` is called with what another node has changed, with undefined where some may have been missed. */
  listen(forget: (repositoryId: string | undefined) => void): void;
}
