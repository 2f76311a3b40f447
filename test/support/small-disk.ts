import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import { temporaryDirectory } from './temporary.ts';

/** A directory in which a server soon cannot write any more. */
export interface SmallDisk {
  readonly directory: string;
  /** What to start the server with. */
  readonly wrapper: readonly string[];
}

function succeeds(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, [...args], { stdio: 'ignore' }).status === 0;
}

/**
 * A file system of its own with `sizeBytes` of room. Where mounting is not allowed, the server is
 * started with a limit on the size of its files (RLIMIT_FSIZE) instead, which makes the same
 * writes fail with another error.
 */
export function smallDisk(sizeBytes: number): SmallDisk {
  const directory = join(temporaryDirectory('small-disk'), 'disk');
  mkdirSync(directory);
  if (succeeds('mount', '-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'packhorse-test', directory)) {
    atEnd(() => void succeeds('umount', '--lazy', directory));
    return { directory, wrapper: [] };
  }
  return { directory, wrapper: ['prlimit', `--fsize=${sizeBytes}`, '--'] };
}
