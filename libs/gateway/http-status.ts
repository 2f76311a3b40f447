import type { ErrorCode } from '#base';

/** The HTTP status of an error, the same behind every door that speaks HTTP (RFC 9110, 15). */
export const httpStatuses = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 409,
  aborted: 409,
  resource_exhausted: 429,
  // The one who would read it has gone, or the node is stopping: then trying again helps.
  cancelled: 503,
  unavailable: 503,
  deadline_exceeded: 504,
  data_loss: 500,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;
