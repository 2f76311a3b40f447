import { PackhorseError } from '#base';
import { Prisma } from './generated/client.ts';

/** Connection-level failures of Node's sockets, of PostgreSQL (SQLSTATE) and of Prisma: trying again may help. */
const unavailableCodes = new Set(
  [
    'ECONNREFUSED ECONNRESET ENOENT ENOTFOUND EAI_AGAIN ETIMEDOUT EPIPE EHOSTUNREACH',
    // Connection exceptions, insufficient resources, locks, shutdown and start-up (PostgreSQL, appendix A).
    '55P03 08000 08001 08003 08004 08006 53000 53100 53200 53300 57P01 57P02 57P03 57P05 25P03',
    // Cannot reach, timed out, closed by the server, pool exhausted, no transaction, too many connections.
    'P1001 P1002 P1008 P1017 P2024 P2028 P2037',
    // What Prisma's adapter calls a lost connection.
    'ConnectionClosed DatabaseNotReachable SocketTimeout TooManyConnections',
  ].flatMap((codes) => codes.split(' ')),
);

/** Invalid authorization, invalid password, no such database, no privilege. */
const refusedLogin = ['28000', '28P01', '3D000', '42501'];

/** What `pg` says without any code when the other side goes away. */
const unavailableMessage =
  /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|not queryable|after calling end/i;

/** Every code found on `thrown`, on its causes and on what Prisma wraps, outermost first. */
function codesOf(thrown: unknown, depth = 0): readonly string[] {
  if (typeof thrown !== 'object' || thrown === null || depth > 5) return [];
  const { code, originalCode, kind, cause, meta, driverAdapterError, errors } = thrown as Record<
    string,
    unknown
  >;
  const own = [code, originalCode, kind].filter((value) => typeof value === 'string');
  const inner = [cause, meta, driverAdapterError, ...(Array.isArray(errors) ? errors : [])];
  return [...own, ...inner.flatMap((value) => codesOf(value, depth + 1))];
}

/** The unique index that was violated, as far as the driver says. */
function violatedConstraint(thrown: unknown): string | undefined {
  const text = JSON.stringify((thrown as { meta?: unknown }).meta ?? {});
  return /"index":"([^"]+)"/.exec(text)?.[1];
}

/** True when the database could not be reached, or went away: the same thing may work later. */
export function isConnectionLoss(thrown: unknown): boolean {
  if (codesOf(thrown).some((code) => unavailableCodes.has(code))) return true;
  return thrown instanceof Error && unavailableMessage.test(thrown.message);
}

/**
 * Any failure of the database as a PackhorseError: `already_exists` (metadata `constraint` names the
 * index), `not_found`, `aborted` (a concurrent change; try again), `deadline_exceeded`, `unavailable`, or `internal`.
 */
export function toDatabaseError(thrown: unknown): PackhorseError {
  if (thrown instanceof PackhorseError) return thrown;
  const known = thrown instanceof Prisma.PrismaClientKnownRequestError ? thrown.code : undefined;
  const codes = codesOf(thrown);
  if (known === 'P2002' || codes.includes('23505')) {
    const constraint = violatedConstraint(thrown);
    return new PackhorseError('already_exists', 'That already exists.', {
      metadata: { constraint },
      cause: thrown,
    });
  }
  if (known === 'P2025' || known === 'P2003' || codes.includes('23503')) {
    return new PackhorseError('not_found', 'That does not exist any more.', { cause: thrown });
  }
  if (known === 'P2034' || codes.includes('40001') || codes.includes('40P01')) {
    return new PackhorseError('aborted', 'Somebody changed the same thing at the same time. Try again.', {
      cause: thrown,
    });
  }
  if (refusedLogin.some((code) => codes.includes(code))) {
    return new PackhorseError(
      'failed_precondition',
      'The database refused the connection: check the user, the password and the name in its URL.',
      { cause: thrown },
    );
  }
  if (codes.includes('57014')) {
    return new PackhorseError('deadline_exceeded', 'The database took too long to answer. Try again.', {
      cause: thrown,
    });
  }
  if (codes.includes('53100')) {
    return new PackhorseError('resource_exhausted', 'The disk of the database is full.', { cause: thrown });
  }
  if (isConnectionLoss(thrown)) {
    return new PackhorseError('unavailable', 'The database cannot be reached right now. Try again.', {
      cause: thrown,
    });
  }
  return new PackhorseError('internal', 'Something went wrong in the database.', { cause: thrown });
}
