import { Metadata, type ServiceError, status, type StatusObject } from '@grpc/grpc-js';
import { type ErrorCode, type ErrorMetadata, PackhorseError, toPackhorseError } from '#base';
import { decode, encode } from './codec.ts';

/** Our codes are gRPC's canonical ones, by their names. */
const statusOf: Readonly<Record<ErrorCode, status>> = {
  invalid_argument: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  failed_precondition: status.FAILED_PRECONDITION,
  aborted: status.ABORTED,
  resource_exhausted: status.RESOURCE_EXHAUSTED,
  cancelled: status.CANCELLED,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  unavailable: status.UNAVAILABLE,
  data_loss: status.DATA_LOSS,
  internal: status.INTERNAL,
};

const codeOf = new Map(Object.entries(statusOf).map(([code, number]) => [number, code as ErrorCode]));

/** The trailer in which a node says what went wrong in its own words; without it gRPC itself failed. */
const errorKey = 'packhorse-error-bin';

interface WrittenError {
  readonly message: string;
  readonly metadata: ErrorMetadata;
}

/** What a handler threw, as the status of its call. */
export function errorStatus(thrown: unknown): Partial<StatusObject> & { readonly code: status } {
  const { code, message, metadata } = toPackhorseError(thrown);
  const trailers = new Metadata();
  trailers.set(errorKey, encode({ message, metadata } satisfies WrittenError));
  return { code: statusOf[code], details: message, metadata: trailers };
}

/** What a call failed with, as if it had been thrown here. A node that cannot be reached is `unavailable`. */
export function statusError(error: Pick<ServiceError, 'code' | 'details' | 'metadata'>): PackhorseError {
  const [written] = error.metadata?.get(errorKey) ?? [];
  const code = codeOf.get(error.code) ?? 'internal';
  if (written instanceof Uint8Array) {
    const { message, metadata } = decode(written) as WrittenError;
    return new PackhorseError(code, message, { metadata, cause: error });
  }
  const sentences: Partial<Record<ErrorCode, string>> = {
    cancelled: 'The operation was cancelled.',
    deadline_exceeded: 'Another node of this server did not answer in time. Try again.',
  };
  const message =
    sentences[code] ?? 'Another node of this server, where the repository is, cannot be reached. Try again.';
  const known = code === 'cancelled' || code === 'deadline_exceeded' ? code : 'unavailable';
  return new PackhorseError(known, message, { cause: error, metadata: { details: error.details } });
}
