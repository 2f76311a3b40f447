import { once } from 'node:events';
import { chmod, lchown, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { PackhorseError, randomId } from '#base';
import type { Account } from './account.ts';
import type { Programs } from './programs.ts';

/** The role and the database that everything happens in. */
export const role = 'packhorse';
export const databaseName = 'postgres';

/** Where the cluster's files are below its directory; the socket is beside them. */
export function dataDirectoryOf(directory: string): string {
  return join(directory, 'data');
}

function notOurs(directory: string, cause: unknown): PackhorseError {
  return new PackhorseError(
    'failed_precondition',
    'The directory of the embedded database cannot be used. Run the server as the user that owns it.',
    { metadata: { directory }, cause },
  );
}

/** A copy made by root (a restored backup, say) belongs to root as a whole; it goes to `account`. */
async function giveTo(account: Account, directory: string): Promise<void> {
  const version = await stat(join(dataDirectoryOf(directory), 'PG_VERSION')).catch(() => undefined);
  if (version?.uid === account.uid) return;
  const below = await readdir(directory, { recursive: true });
  for (const name of ['', ...below]) await lchown(join(directory, name), account.uid, account.gid);
}

/** Makes `directory`, closed to everybody but `account`. Throws `failed_precondition` when it is somebody else's. */
export async function prepareDirectory(directory: string, account: Account | undefined): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (account !== undefined) await giveTo(account, directory);
    // PostgreSQL refuses a data directory that others can read, as a copy may have become.
    await chmod(directory, 0o700);
    const data = dataDirectoryOf(directory);
    if ((await stat(data).catch(() => undefined)) !== undefined) await chmod(data, 0o700);
  } catch (error) {
    throw notOurs(directory, error);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function initdb(programs: Programs, dataDirectory: string): Promise<void> {
  const child = programs.start('initdb', [
    `--pgdata=${dataDirectory}`,
    `--username=${role}`,
    '--encoding=UTF8',
    // Collations of PostgreSQL itself: indexes stay right when the machine's C library changes.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    // The socket, the only way in, is in a directory that nobody else can enter.
    '--auth=trust',
    '--no-instructions',
    '--set=shared_buffers=32MB',
    '--set=max_wal_size=256MB',
  ]);
  child.stdout?.resume();
  const [output, [code, signal]] = await Promise.all([
    child.stderr === null ? Promise.resolve('') : text(child.stderr),
    once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  if (code === 0) return;
  throw new PackhorseError('internal', 'The embedded database could not be created.', {
    metadata: { code: code ?? undefined, signal: signal ?? undefined, output: output.slice(-2000) },
  });
}

/** Where a cluster is made, before it gets its place. */
const unfinished = 'data.new-';

/** What servers left that were killed while they made a cluster; their `initdb` may still be writing. */
async function removeUnfinished(directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.startsWith(unfinished));
  const options = { recursive: true, force: true, maxRetries: 5 } as const;
  await Promise.all(names.map((name) => rm(join(directory, name), options).catch(() => undefined)));
}

/** The major version of the cluster that is there; undefined when there is none. */
async function readVersion(directory: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dataDirectoryOf(directory), 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw notOurs(directory, error);
  }
}

/**
 * Creates the cluster when there is none yet. It is made beside its place and renamed, so that a
 * crash never leaves half of one. Throws `failed_precondition` when it belongs to another major version.
 */
export async function ensureCluster(directory: string, programs: Programs): Promise<void> {
  const version = await readVersion(directory);
  if (version === programs.majorVersion) return;
  if (version !== undefined) {
    throw new PackhorseError(
      'failed_precondition',
      'The embedded database was made by another major version of PostgreSQL. See "Upgrading PostgreSQL" in docs/database.md.',
      { metadata: { found: version, expected: programs.majorVersion } },
    );
  }
  await removeUnfinished(directory);
  const made = join(directory, `${unfinished}${randomId()}`);
  await initdb(programs, made);
  await rename(made, dataDirectoryOf(directory));
  await syncDirectory(directory);
}
