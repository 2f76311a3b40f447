/**
 * What went wrong, as a closed set that every door maps to its own protocol
 * (HTTP status, SSH exit status, GraphQL extension, pkt-line `ERR`).
 * The names follow gRPC's canonical status codes, which also carry errors between nodes.
 */
export type ErrorCode =
  | 'invalid_argument'
  | 'unauthenticated'
  | 'permission_denied'
  | 'not_found'
  | 'already_exists'
  | 'failed_precondition'
  | 'aborted'
  | 'resource_exhausted'
  | 'cancelled'
  | 'deadline_exceeded'
  | 'unavailable'
  | 'data_loss'
  | 'internal';

export type ErrorMetadata = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The only error type that crosses a room's boundary: a code for machines, a static sentence for
 * people, metadata for logs and the original cause. Never put a secret into any of them.
 * `message` is shown to users as it is, so it says what happened and what to do.
 */
export class PackhorseError extends Error {
  override readonly name = 'PackhorseError';
  readonly code: ErrorCode;
  readonly metadata: ErrorMetadata;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly metadata?: ErrorMetadata; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.metadata = options.metadata ?? {};
  }
}

/** Wraps anything thrown; a PackhorseError passes through, anything else becomes `internal`. */
export function toPackhorseError(thrown: unknown): PackhorseError {
  if (thrown instanceof PackhorseError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new PackhorseError('cancelled', 'The operation was cancelled.', { cause: thrown });
  }
  return new PackhorseError('internal', 'Something went wrong on the server.', { cause: thrown });
}

/** True when `thrown` is a PackhorseError with one of `codes`. */
export function hasCode(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is PackhorseError {
  return thrown instanceof PackhorseError && codes.includes(thrown.code);
}
