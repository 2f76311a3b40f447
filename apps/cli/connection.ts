import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CliError, usageError } from './errors.ts';

/** Where the server is and how to come in. */
export interface Connection {
  readonly url: URL;
  readonly token: string | undefined;
  /** Found through a data directory: the server runs on this machine and sees the same files. */
  readonly isLocal: boolean;
  /** Where this was found, for error messages. */
  readonly origin: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const howToStart =
  'Start one with "npx packhorse serve", name its directory with --data-dir, or set PACKHORSE_URL and PACKHORSE_TOKEN.';

/**
 * `--data-dir` wins, then `PACKHORSE_URL` and `PACKHORSE_TOKEN`, then the server of
 * `PACKHORSE_DATA_DIR` or `./data`. A token is never sent to another server than its own.
 */
export async function findConnection(
  dataDirOption: string | undefined,
  environment: Environment,
): Promise<Connection> {
  const url = environment['PACKHORSE_URL'] ?? '';
  const token = environment['PACKHORSE_TOKEN'] ?? '';
  if (dataDirOption === undefined && url !== '') {
    return {
      url: parseUrl(url, 'PACKHORSE_URL'),
      token: token === '' ? undefined : token,
      isLocal: false,
      origin: 'PACKHORSE_URL',
    };
  }
  const dataDir = dataDirOption ?? (environment['PACKHORSE_DATA_DIR'] || './data');
  const path = join(resolve(dataDir), 'admin.json');
  const file = parseAdminFile(await readAdminFile(path), path);
  // Without --data-dir, a token alone says as whom to come to the server of this machine.
  const own = dataDirOption === undefined && token !== '' ? token : file.token;
  return { url: parseUrl(file.url, path), token: own, isLocal: true, origin: path };
}

function parseUrl(text: string, origin: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw usageError(`${origin} must be an http or https URL, but is "${text}".`);
}

async function readAdminFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new CliError(
        'permission_denied',
        `${path} may only be read by the user who runs the server: be that user, or set PACKHORSE_URL and PACKHORSE_TOKEN.`,
        cause,
      );
    }
    throw new CliError(
      'unavailable',
      `No server is running here (there is no ${path}). ${howToStart}`,
      cause,
    );
  }
}

function parseAdminFile(text: string, path: string): { readonly url: string; readonly token: string } {
  try {
    const { url, token } = JSON.parse(text) as { readonly url?: unknown; readonly token?: unknown };
    if (typeof url === 'string' && typeof token === 'string') return { url, token };
  } catch {
    // Said below, as for a file with something else in it.
  }
  throw new CliError('failed_precondition', `${path} is damaged. Restart the server: it writes a new one.`);
}

/** What to say when nothing answers at all. */
export function unreachable(connection: Connection, cause: unknown): CliError {
  const { host } = connection.url;
  return new CliError(
    'unavailable',
    connection.isLocal
      ? `No server answers at ${host} (found in ${connection.origin}). ${howToStart}`
      : `No server answers at ${host}. Check PACKHORSE_URL and that the server runs.`,
    cause,
  );
}
