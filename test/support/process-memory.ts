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

/** Zero for a process that is gone. */
export function processMemory(pid: number): Memory {
  const status = readOrEmpty(`/proc/${pid}/status`);
  return { rssBytes: kibibytes(status, 'VmRSS'), anonBytes: kibibytes(status, 'RssAnon') };
}

/** `rootPid` and all its descendants at this moment. */
export function processTree(rootPid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // The command name is in parentheses and may itself hold any character, so count from its end.
    const stat = readOrEmpty(`/proc/${name}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [rootPid];
  for (let index = 0; index < tree.length; index += 1) tree.push(...(children.get(tree[index] ?? -1) ?? []));
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
