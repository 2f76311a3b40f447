import { GraphQLError } from 'graphql';
import { toPackhorseError, type ErrorCode, type Log } from '#base';
import { httpStatuses } from '#gateway';

/** How an error of the library is told in our codes, by the code that it gives. */
const libraryCodes: Readonly<Record<string, ErrorCode>> = {
  REQUEST_ENTITY_TOO_LARGE: 'resource_exhausted',
};

/** The PackhorseError at the root of `thrown`, however often GraphQL wrapped it. */
function rootOf(thrown: unknown): unknown {
  return thrown instanceof GraphQLError && thrown.originalError !== undefined
    ? rootOf(thrown.originalError)
    : thrown;
}

function located(
  error: unknown,
  message: string,
  extensions: Readonly<Record<string, unknown>>,
): GraphQLError {
  if (!(error instanceof GraphQLError)) return new GraphQLError(message, { extensions });
  const { nodes, path } = error;
  return new GraphQLError(message, {
    extensions,
    ...(nodes !== undefined && { nodes }),
    ...(path !== undefined && { path }),
  });
}

/**
 * An error as it is answered (one that already is stays the same): `extensions.code` is one of our codes, the message is for people, and
 * nothing that we did not mean to say gets out. What is our fault is logged.
 */
export function presentError(error: unknown, log: Log): GraphQLError {
  const root = rootOf(error);
  if (root instanceof GraphQLError) {
    const { code, http } = root.extensions;
    if (Object.hasOwn(httpStatuses, String(code))) return root;
    const own = libraryCodes[String(code)] ?? 'invalid_argument';
    return located(error, root.message, { code: own, ...(http !== undefined && { http }) });
  }
  const { code, message } = toPackhorseError(root);
  if (code === 'internal' || code === 'data_loss') {
    const path = error instanceof GraphQLError ? error.path?.join('.') : undefined;
    log.error('a GraphQL field failed', { path, error: root });
  }
  return located(error, message, { code });
}
