import type { Storage } from '../storage.ts';
import { type MaintenanceTask, progressOf } from './repack.ts';

export interface GraphOrder {
  /** All of history into one file, instead of what is new into another layer. */
  readonly whole: boolean;
  /** With filters that tell which paths a commit changed (git-commit-graph(1), --changed-paths): dear to make. */
  readonly changedPaths: boolean;
}

/** Adds to the commit-graph what refs reach (git-commit-graph(1)). */
export async function writeCommitGraph(
  storage: Storage,
  { gitDir, signal, onProgress }: MaintenanceTask,
  { whole, changedPaths }: GraphOrder,
): Promise<void> {
  onProgress('Writing the commit-graph\n');
  await storage.git.run({
    gitDir,
    args: [
      'commit-graph',
      'write',
      '--reachable',
      '--progress',
      changedPaths ? '--changed-paths' : '--no-changed-paths',
      ...(whole ? [] : ['--split']),
    ],
    onStderr: progressOf(onProgress),
    signal,
    background: true,
  });
  // git leaves the layers that a whole file replaces.
  if (whole) await storage.disk.removeTree(`${gitDir}/objects/info/commit-graphs`);
}
