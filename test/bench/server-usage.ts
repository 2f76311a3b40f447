import { readFileSync } from 'node:fs';
import { processMemory, processTree, proportionalBytes } from '#test/process-memory';
import type { Contestant } from './contestant.ts';

const MiB = 1024 * 1024;
/** sysconf(_SC_CLK_TCK): 100 on every Linux that Node runs on. */
const tickMs = 10;

/** What a server and everything it started needed while something ran. */
export interface Usage {
  /** Processor time, user and system. */
  readonly cpuMs: number;
  /** The highest sum over its processes of memory that no file backs. */
  readonly peakMiB: number;
  /** The same with mapped files, such as programs and packs, a page that several have counted once; 0 unless asked for. */
  readonly peakMappedMiB: number;
  /** How much that is above what it had before. */
  readonly aboveIdleMiB: number;
}

interface ProcessTimes {
  readonly ownMs: number;
  /** Of children that ended and were waited for. */
  readonly reapedMs: number;
}

/** Zero for a process that is gone. */
function processTimes(pid: number): ProcessTimes {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return { ownMs: 0, reapedMs: 0 };
  }
  // The command name is in parentheses and may itself hold any character, so count from its end (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (index: number): number => Number(fields[index] ?? 0) * tickMs;
  return { ownMs: ticks(11) + ticks(12), reapedMs: ticks(13) + ticks(14) };
}

/**
 * Watches a server's processes. Processor time of children counts in two ways, the larger of which
 * is taken: what their parents got when they waited for them, and what was seen of each before it
 * ended, because some servers (fcgiwrap) ignore SIGCHLD and then the kernel forgets what it was.
 */
class ServerWatch implements Disposable {
  readonly #pids: readonly number[];
  readonly #before = new Map<number, ProcessTimes>();
  readonly #last = new Map<number, ProcessTimes>();
  readonly #idleBytes: number;
  readonly #timer: NodeJS.Timeout;
  readonly #countsMapped: boolean;
  #peakBytes = 0;
  #peakMappedBytes = 0;

  constructor(pids: readonly number[], everyMs: number, countsMapped: boolean) {
    this.#pids = pids;
    this.#countsMapped = countsMapped;
    this.#sample();
    for (const [pid, times] of this.#last) this.#before.set(pid, times);
    this.#idleBytes = this.#peakBytes;
    this.#timer = setInterval(() => this.#sample(), everyMs);
  }

  #sample(): void {
    let [bytes, mappedBytes] = [0, 0];
    for (const pid of this.#pids.flatMap(processTree)) {
      bytes += processMemory(pid).anonBytes;
      if (this.#countsMapped) mappedBytes += proportionalBytes(pid);
      const times = processTimes(pid);
      const seen = this.#last.get(pid);
      if (seen === undefined || times.ownMs >= seen.ownMs) this.#last.set(pid, times);
    }
    this.#peakBytes = Math.max(this.#peakBytes, bytes);
    this.#peakMappedBytes = Math.max(this.#peakMappedBytes, mappedBytes);
  }

  usage(): Usage {
    clearInterval(this.#timer);
    this.#sample();
    let [lastingMs, startedMs, reapedMs] = [0, 0, 0];
    for (const [pid, times] of this.#last) {
      const before = this.#before.get(pid);
      if (before === undefined) startedMs += times.ownMs;
      else {
        lastingMs += times.ownMs - before.ownMs;
        reapedMs += times.reapedMs - before.reapedMs;
      }
    }
    return {
      cpuMs: lastingMs + Math.max(startedMs, reapedMs),
      peakMiB: this.#peakBytes / MiB,
      peakMappedMiB: this.#peakMappedBytes / MiB,
      aboveIdleMiB: (this.#peakBytes - this.#idleBytes) / MiB,
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Runs `work` and tells what the server needed for it. */
export async function usageOf<Value>(
  contestant: Contestant,
  work: () => Promise<Value>,
  { countsMapped = false }: { readonly countsMapped?: boolean } = {},
): Promise<{ readonly value: Value; readonly usage: Usage }> {
  using watch = new ServerWatch(contestant.pids, 40, countsMapped);
  const value = await work();
  return { value, usage: watch.usage() };
}
