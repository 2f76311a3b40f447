import { accessSync, constants } from 'node:fs';

/**
 * Import this for tests that write thousands of small files or call fsync thousands of times:
 * temporary directories are then in memory, where the machine has such a file system.
 */
try {
  accessSync('/dev/shm', constants.W_OK);
  process.env['TMPDIR'] = '/dev/shm';
} catch {
  // The ordinary place is right as well, only slower.
}
