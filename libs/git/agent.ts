import type { DelegatedRepository } from './delegate/delegated-repository.ts';
import type { Oid } from '#base';
import type { ArchiveRepository, ReceivePackRepository, UploadPackRepository } from '#wire';
import type { PublishedFile } from './published-file.ts';
import type { MaintenanceFacts } from './maintenance/facts.ts';
import type { MaintenanceReport } from './maintenance/repository-maintenance.ts';
import type { CreateCommitRequest, RepositoryReader } from './reader.ts';
import type { CopyContents, Replica } from './replication/replica.ts';

/** Facts about a repository on disk, for pages and operators. */
export interface RepositoryFacts {
  readonly generation: number;
  readonly sizeBytes: number;
  readonly packs: number;
  readonly looseObjects: number;
  readonly refs: number;
  readonly objectFormat: 'sha1' | 'sha256';
  readonly maintenance: MaintenanceFacts;
}

/** Which maintenance is asked for. */
export interface MaintenanceRequest {
  /** Text for whoever watches, possibly with carriage returns. */
  readonly onProgress: (text: string) => void;
  /** Nothing but a commit-graph, quickly made, for a history that has just come in. */
  readonly graphOnly?: boolean;
}

/**
 * The address of one repository's agent, here or on another node: what pages and APIs hold. Cheap to
 * obtain; the repository's pool opens on first use and closes when idle.
 */
export interface RepositoryAgent extends RepositoryReader {
  /** Of the repository, as `RepositoryLocation` has it. */
  readonly id: string;
  /** Several reads in one turn of one reader: they all see the same refs. */
  transaction<Result>(work: (reader: RepositoryReader) => Promise<Result>): Promise<Result>;
  /** Builds trees and a commit from changes and moves a ref to it. Throws `aborted` when the ref moved meanwhile. */
  createCommit(request: CreateCommitRequest): Promise<Oid>;
  /** Names another default branch (HEAD), which may be unborn. */
  setHead(ref: string): Promise<void>;
  facts(): Promise<RepositoryFacts>;
  /** `git fsck` and the integrity of refs; returns what is wrong, one sentence each. */
  verify(): Promise<readonly string[]>;
  /** Does all maintenance now, whether there is need for it or not; waits for its turn on the node. */
  maintain(request: MaintenanceRequest): Promise<MaintenanceReport>;
}

/** An agent on this node, which also has what conversations and files need. */
export interface LocalAgent extends RepositoryAgent {
  /** The last value of a key in the repository's own Git configuration, such as `http.receivepack`; undefined when unset. */
  configValue(key: string): Promise<string | undefined>;
  /** What has whole conversations where only git understands the repository; undefined for nearly all. */
  delegated(): Promise<DelegatedRepository | undefined>;
  /** The protocol's view for fetches. `actor` is the login, for reflogs and limits. */
  uploadPack(): Promise<UploadPackRepository>;
  receivePack(pusher: Pusher): Promise<ReceivePackRepository>;
  /** A file for a client of the dumb protocol (`publishedFile`). Throws `not_found`. */
  publishedFile(name: string): Promise<PublishedFile>;
  /** For `git archive --remote`. */
  uploadArchive(): Promise<ArchiveRepository>;
  /** A bundle that was offered to begin a clone with. Throws `not_found`. Dispose it. */
  openBundle(id: string): Promise<PublishedFile>;
  /** The repository as a copy that follows another one. */
  replica(): Promise<Replica>;
  /** All of this copy at one moment, for another one to become like it. */
  contents(): Promise<CopyContents>;
}

/** Who pushes, for reflog entries and events. */
export interface Pusher {
  readonly name: string;
  readonly email: string;
  /** What a web server or sshd would tell a program of this person, for hooks. */
  readonly environment?: Readonly<Record<string, string>>;
}
