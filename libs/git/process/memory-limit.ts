/**
 * The command that runs `binary` with no more than `maxBytes` of memory (setrlimit(2), RLIMIT_DATA:
 * what is allocated, but not packs that are mapped). Node cannot set limits of a child, so `sh` sets
 * its own and then becomes the program, under the same process id; the arguments reach the program
 * as they are, as no word of them is part of the script. 0 is no limit.
 */
export function withMemoryLimit(
  binary: string,
  args: readonly string[],
  maxBytes: number,
): readonly [program: string, args: readonly string[]] {
  if (maxBytes === 0) return [binary, args];
  // Where a stricter limit is in force already, that one stays.
  const script = 'ulimit -d "$0" 2>/dev/null; exec "$@"';
  return ['/bin/sh', ['-c', script, String(Math.ceil(maxBytes / 1024)), binary, ...args]];
}
