import type { Identity } from '#accounts';
import type { PublishedFile } from '#git';
import type { Conversation } from '#wire';

export type GitService = 'upload-pack' | 'receive-pack' | 'upload-archive';

/** One request of a Git door, as an immutable value. */
export interface GitRequest {
  readonly identity: Identity;
  /** What the client named, without leading slash: `OWNER/NAME.git`, or any path with `--root`. */
  readonly path: string;
  readonly service: GitService;
  readonly transport: 'http' | 'ssh' | 'git';
  readonly remoteAddress: string;
  /** Who logged in at the web server in front of this one, where there are no accounts. */
  readonly remoteUser?: string;
}

/**
 * The same for every door: authorise, locate the agent, run the session.
 * `open` throws `unauthenticated` (a login might help), `permission_denied`, `not_found`,
 * `unavailable` (a limit is reached, try again) or `invalid_argument` (no such path can be).
 */
export interface GitGateway {
  open(request: GitRequest): Promise<GitSession>;
}

/** An authorised service on a located repository. Dispose it when done: it counts against limits. */
export interface GitSession extends AsyncDisposable {
  /**
   * What the client reads first: refs and capabilities (without the HTTP `# service` line, which the
   * door adds); nothing for upload-archive.
   */
  advertise(conversation: Conversation): Promise<void>;
  /** HTTP: answers one POST. SSH: the dialogue after the advertisement. */
  serve(conversation: Conversation): Promise<void>;
  /** A bundle that an upload-pack session named. Throws `not_found`. Dispose it before the session. */
  openBundle(id: string): Promise<PublishedFile>;
}

/** One request of the dumb protocol (gitprotocol-http). */
export interface FileRequest {
  /** The repository, without leading slash. */
  readonly path: string;
  /** The file below the repository's directory, one of those that the protocol knows. */
  readonly name: string;
  readonly remoteAddress: string;
}

/** What a plain directory serves besides conversations. */
export interface FileGateway {
  /** Throws `permission_denied`, `not_found` or `unavailable`. Dispose the file: it counts against limits. */
  openFile(request: FileRequest): Promise<PublishedFile>;
}
