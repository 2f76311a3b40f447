import type { Identity } from '#accounts';
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
}
