import { readdirSync, readFileSync } from 'node:fs';

/** Memory of one process or of a whole tree, as Linux counts it (proc_pid_status(5)). */
export interface Memory {
  /** Everything in memory, including mapped files such as packs. */
  readonly rssBytes: number;
  /** Only what is not backed by a file: heaps, buffers. */
  readonly anonBytes: number;
}

const nothing: Memory = { rssBytes: 0, anonBytes: 0 };

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function kibibytes(status: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status);
  return Number(match?.[1] ?? 0) * 1024;
}

/**
 * What a process has in memory, where a page that several have mapped counts for each in part
 * (proc_pid_smaps(5), Pss): with it, programs and packs in the page cache count once. Dear to ask for.
 */
export function proportionalBytes(pid: number): number {
  return kibibytes(readOrEmpty(`/proc/${pid}/smaps_rollup`), 'Pss');
}

/** Zero for a process that is gone. */
export function processMemory(pid: number): Memory {
  const status = readOrEmpty(`/proc/${pid}/status`);
  return { rssBytes: kibibytes(status, 'VmRSS'), anonBytes: kibibytes(status, 'RssAnon') };
}

/** What a process started and has not waited for, by any of its threads (proc_pid_task(5)). */
function childrenOf(pid: number): number[] {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  return threads.flatMap((thread) => {
    const children = readOrEmpty(`/proc/${pid}/task/${thread}/children`).trim();
    return children === '' ? [] : children.split(' ').map(Number);
  });
}

/** `rootPid` and all its descendants at this moment. */
export function processTree(rootPid: number): number[] {
  const tree = [rootPid];
  for (let index = 0; index < tree.length; index += 1) tree.push(...childrenOf(tree[index] ?? -1));
  return tree;
}

/** The sum over a process and its descendants; shared pages count once per process. */
export function treeMemory(rootPid: number): Memory {
  return processTree(rootPid)
    .map(processMemory)
    .reduce(
      (sum, memory) => ({
        rssBytes: sum.rssBytes + memory.rssBytes,
        anonBytes: sum.anonBytes + memory.anonBytes,
      }),
      nothing,
    );
}

/** Samples `measure` until stopped and remembers the highest values. */
export class PeakMemory implements Disposable {
  readonly #measure: () => Memory;
  readonly #timer: NodeJS.Timeout;
  #peak: Memory = nothing;
  #samples = 0;

  constructor(measure: () => Memory, everyMs = 20) {
    this.#measure = measure;
    this.#timer = setInterval(() => this.#sample(), everyMs);
    this.#sample();
  }

  #sample(): void {
    const memory = this.#measure();
    this.#samples += 1;
    this.#peak = {
      rssBytes: Math.max(this.#peak.rssBytes, memory.rssBytes),
      anonBytes: Math.max(this.#peak.anonBytes, memory.anonBytes),
    };
  }

  /** Ends the sampling. */
  stop(): Memory & { readonly samples: number } {
    clearInterval(this.#timer);
    this.#sample();
    return { ...this.#peak, samples: this.#samples };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
