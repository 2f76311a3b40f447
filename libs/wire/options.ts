import type { Clock, Log, Settings } from '#base';

/** What every service of the protocol is given besides its repository and its conversation. */
export interface WireOptions {
  readonly settings: Settings['wire'];
  /** What the server calls itself in `agent=`, such as `packhorse/0.1.0`; no spaces. */
  readonly agent: string;
  /** Names one conversation in the logs of both sides (git-config, transfer.advertiseSID); no spaces. */
  readonly sessionId: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The protocol version a client asks for in the `Git-Protocol` header or in `GIT_PROTOCOL`
 * (git, "GIT_PROTOCOL"): the highest known one among its colon-separated keys, else 0.
 */
export function parseGitProtocol(text: string | undefined): 0 | 1 | 2 {
  const keys = text?.split(':') ?? [];
  if (keys.includes('version=2')) return 2;
  return keys.includes('version=1') ? 1 : 0;
}
