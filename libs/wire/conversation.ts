import type { ByteSink, ByteStream } from '#base';

/** One Git conversation, as a door hands it over: bytes in, bytes out, and what was agreed before. */
export interface Conversation {
  readonly input: ByteStream;
  readonly output: ByteSink;
  /** From `Git-Protocol` / `GIT_PROTOCOL`; the highest version that both sides know. */
  readonly version: 0 | 1 | 2;
  /** HTTP: each request stands alone (gitprotocol-http). SSH and git://: one dialogue. */
  readonly stateless: boolean;
  /** Aborted when the client is gone or the server shuts down. */
  readonly signal: AbortSignal;
}
