import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 20;

/** A process that ended but was not yet reaped by its parent (state Z in proc(5)) counts as gone. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

/** The lines of `postmaster.pid`: process id, data directory, start, port, socket directory, address, shared memory, state. */
async function readPidFile(dataDirectory: string): Promise<{ readonly pid: number; readonly state: string }> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  return { pid: Number.parseInt(text, 10), state: (lines[7] ?? '').trim() };
}

/** Whether the postmaster `pid` says that it accepts connections, which is what `pg_ctl --wait` looks at. */
export async function isReady(dataDirectory: string, pid: number | undefined): Promise<boolean> {
  const file = await readPidFile(dataDirectory);
  return file.pid === pid && file.state === 'ready';
}

/**
 * The process that serves `dataDirectory`, by its `postmaster.pid`; undefined when there is none.
 * A pid that now belongs to another program (as happens in containers) is forgotten by removing the
 * file, because PostgreSQL would refuse to start over it.
 */
export async function findPostmaster(dataDirectory: string): Promise<number | undefined> {
  const { pid } = await readPidFile(dataDirectory);
  if (!Number.isSafeInteger(pid) || pid <= 1 || !(await isAlive(pid))) return undefined;
  // A postmaster stands in its data directory.
  const workingDirectory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  if (workingDirectory === (await realpath(dataDirectory))) return pid;
  await rm(join(dataDirectory, 'postmaster.pid'), { force: true });
  return undefined;
}

/** Waits until the process is gone; false when it is still there after `timeoutMs`. */
async function waitForExit(pid: number, timeoutMs: number): Promise<boolean> {
  for (let waitedMs = 0; await isAlive(pid); waitedMs += pollMs) {
    if (waitedMs >= timeoutMs) return false;
    await sleep(pollMs);
  }
  return true;
}

/**
 * Stops PostgreSQL: first its fast shutdown (open transactions are rolled back, a checkpoint is
 * written), after `timeoutMs` the immediate one (recovery at the next start), at last SIGKILL.
 * None of them loses a committed transaction.
 */
export async function stopPostmaster(pid: number, timeoutMs: number): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    if (await waitForExit(pid, timeoutMs)) return;
  }
}
