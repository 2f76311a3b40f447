import type { MethodDefinition } from '@grpc/grpc-js';

/**
 * The one service that nodes offer each other. Its methods are the ways in which two nodes can talk;
 * what they talk about is named in the metadata, so that a new topic needs no new method.
 */
const bytes = (value: Uint8Array): Buffer =>
  // gRPC copies with what only a Buffer has.
  value instanceof Buffer ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);

function method(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/packhorse.Node/${name}`,
    requestStream,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

export const nodeService = {
  /** Proves to each other that both know the cluster's secret, and agrees on a version. */
  hello: method('Hello', false, false),
  /** One value for one value. */
  call: method('Call', false, false),
  /** Many values for one value. */
  stream: method('Stream', false, true),
  /** Bytes both ways. */
  dialogue: method('Dialogue', true, true),
  /** Values both ways. */
  exchange: method('Exchange', true, true),
} as const;

/** Metadata of every call. */
export const keys = {
  topic: 'packhorse-topic',
  /** The encoded argument of a dialogue or an exchange, whose messages are something else. */
  argument: 'packhorse-argument-bin',
  /** See `Proofs`. */
  caller: 'packhorse-caller',
  proof: 'packhorse-proof',
  /** Set in the trailers where a caller has to say hello again. */
  hello: 'packhorse-hello',
  /** W3C Trace Context. */
  trace: 'traceparent',
} as const;

/** The versions of this protocol that this release speaks; both sides use the highest that both know. */
export const versions = { lowest: 1, highest: 1 } as const;
