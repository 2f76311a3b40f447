import { PackhorseError } from '#base';

/** What somebody is told whose message, or whose wish for an actor, is not accepted. */

export function notRunning(path: string): PackhorseError {
  return new PackhorseError('unavailable', 'This part of the server is not running. Try again later.', {
    metadata: { actor: path },
  });
}

export function mailboxFull(path: string, mailboxMessages: number): PackhorseError {
  return new PackhorseError(
    'unavailable',
    'The server is busy with other requests to the same place. Try again later.',
    { metadata: { actor: path, mailboxMessages } },
  );
}

export function tooManyChildren(path: string, maxChildren: number): PackhorseError {
  return new PackhorseError(
    'unavailable',
    'The server is busy with too many things at once. Try again later.',
    {
      metadata: { supervisor: path, maxChildren },
    },
  );
}

export function shuttingDown(): PackhorseError {
  return new PackhorseError('unavailable', 'The server is shutting down. Try again later.');
}

export function startTookTooLong(path: string, startTimeoutMs: number): PackhorseError {
  return new PackhorseError('deadline_exceeded', 'A part of the server took too long to start.', {
    metadata: { actor: path, startTimeoutMs },
  });
}

export function restartsTooOften(path: string, cause: PackhorseError | undefined): PackhorseError {
  return new PackhorseError('unavailable', 'A part of the server crashes again and again. Try again later.', {
    metadata: { supervisor: path },
    cause,
  });
}
