/**
 * What must not outlive the test process: temporary directories, child processes, mounts.
 * Everything is synchronous, because it also runs from the `exit` event, where nothing else can.
 */
const tasks: (() => void)[] = [];

function runAll(): void {
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    try {
      task();
    } catch (error) {
      process.stderr.write(`cleaning up after the tests: ${String(error)}\n`);
    }
  }
}

process.once('exit', runAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1));
}

/** Runs `task` when the test process ends, also on a signal; last in, first out. Returns what forgets it. */
export function atEnd(task: () => void): () => void {
  tasks.push(task);
  return () => {
    const index = tasks.indexOf(task);
    if (index >= 0) tasks.splice(index, 1);
  };
}
