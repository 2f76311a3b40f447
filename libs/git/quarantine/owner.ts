import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Which process something temporary belongs to, as `<pid namespace>-<pid>-<start time>`: a process
 * id alone is used again, after a restart and in every container.
 */
export type OwnerTag = string;

/** The text of a file below /proc, or undefined when it is not there. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

/** Dead, and only waiting for their parent to ask what became of them. */
const deadStates: ReadonlySet<string | undefined> = new Set(['Z', 'X']);

/** When a process started, in clock ticks since the machine did (proc_pid_stat(5), fields 3 and 22); undefined when it is gone. */
function startTime(pid: string): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return deadStates.has(fields[0]) ? undefined : fields[19];
}

let own: OwnerTag | undefined;

/** The tag of this process. */
export function ownerTag(): OwnerTag {
  own ??= `${pidNamespace()}-${process.pid}-${startTime(String(process.pid)) ?? '0'}`;
  return own;
}

/** Whether the process runs; undefined when that cannot be known from here, in another container. */
export function isOwnerAlive(tag: OwnerTag): boolean | undefined {
  const [namespace, pid = '', start] = tag.split('-');
  if (namespace !== pidNamespace()) return undefined;
  return startTime(pid) === start;
}
