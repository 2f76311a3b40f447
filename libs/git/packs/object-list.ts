import { gitFailure } from '../process/git-runner.ts';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';

/** Lines that are handed on together. */
const batchLines = 8192;

/**
 * What `git rev-list` prints for `revisions`, in batches: one line for each object, its id first.
 * Throws what git fails with.
 */
export async function* listObjects(
  storage: Storage,
  gitDir: string,
  options: readonly string[],
  revisions: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<readonly string[], void, undefined> {
  await using running = storage.git.start(
    { gitDir, args: ['rev-list', '--objects', ...options, '--stdin'], signal },
    { stdin: 'pipe', stdout: 'pipe' },
  );
  const feeding = running.feed(lines(revisions));
  let batch: string[] = [];
  let rest = '';
  for await (const chunk of running.stdout as AsyncIterable<Buffer>) {
    const split = (rest + chunk.toString('latin1')).split('\n');
    rest = split.pop() ?? '';
    batch.push(...split);
    if (batch.length < batchLines) continue;
    yield batch;
    batch = [];
  }
  await feeding;
  const exit = await running.exit;
  if (exit.code !== 0) throw gitFailure('rev-list', exit);
  if (batch.length > 0) yield batch;
}
