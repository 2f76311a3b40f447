import type { Oid } from '#base';
import type { Pusher } from '../agent.ts';
import { appendRecoverably } from '../volume/recoverable-append.ts';
import { refParents } from './ref-name.ts';
import { type Disk, hasErrno, makeDirectories, unlessMissing } from '../volume/disk.ts';

/** Which ref updates are recorded (git-config, core.logAllRefUpdates). */
export type ReflogPolicy = 'always' | 'branches' | 'existing';

/** One line of a reflog (git-update-ref(1), "LOGGING UPDATES"), with its line feed. */
export function reflogLine(oldOid: Oid, newOid: Oid, by: Pusher, atMs: number, message: string): string {
  const identity = `${cleanIdentity(by.name) || 'unknown'} <${cleanIdentity(by.email)}>`;
  const text = message.replace(/\s+/g, ' ').trim();
  return `${oldOid} ${newOid} ${identity} ${Math.floor(atMs / 1000)} +0000\t${text}\n`;
}

// Characters that would end the name, the address or the line are dropped, as git does.
function cleanIdentity(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f<>]/g, '').trim();
}

function autoCreates(policy: ReflogPolicy, name: string): boolean {
  if (policy !== 'branches') return policy === 'always';
  return name === 'HEAD' || /^refs\/(?:heads|remotes|notes)\//.test(name);
}

/** The reflogs of one repository. */
export class Reflogs {
  readonly #disk: Disk;
  readonly #gitDir: string;
  readonly #policy: ReflogPolicy;

  constructor(disk: Disk, gitDir: string, policy: ReflogPolicy) {
    this.#disk = disk;
    this.#gitDir = gitDir;
    this.#policy = policy;
  }

  #path(name: string): string {
    return `${this.#gitDir}/logs/${name}`;
  }

  /** Whether an update of `name` is to be recorded. */
  wants(name: string): boolean {
    if (autoCreates(this.#policy, name)) return true;
    return this.#disk.stampNow(this.#path(name))?.kind === 'file';
  }

  /** Appends a line. Returns what takes it back. */
  async append(name: string, line: string, durable: boolean): Promise<() => Promise<void>> {
    const path = this.#path(name);
    const before = this.#disk.stampNow(path);
    if (before?.kind === 'directory') await removeEmptyDirectories(this.#disk, path);
    if (before === undefined) await makeDirectories(this.#disk, path.slice(0, path.lastIndexOf('/')));
    return await appendRecoverably(this.#disk, path, Buffer.from(line), async (file) => {
      if (durable) await file.sync();
    });
  }

  /** Appends a line unless it is the last one already. It is not made durable. */
  async appendOnce(name: string, line: string): Promise<void> {
    const known = this.#disk.stampNow(this.#path(name));
    if (known?.kind === 'file') {
      const log = await this.#disk.read(this.#path(name));
      if (log.subarray(-Buffer.byteLength(line)).equals(Buffer.from(line))) return;
    }
    await this.append(name, line, false);
  }

  /** Forgets the log of a deleted ref, as git does. */
  async remove(name: string): Promise<void> {
    await unlessMissing(this.#disk.unlink(this.#path(name)));
    await removeEmptyParents(this.#disk, `${this.#gitDir}/logs`, [name]);
  }
}

/** Removes a directory that holds nothing but empty directories. Throws ENOTEMPTY when there is a file. */
export async function removeEmptyDirectories(disk: Disk, path: string): Promise<void> {
  for (const entry of await disk.list(path)) {
    if (entry.kind === 'directory') await removeEmptyDirectories(disk, `${path}/${entry.name}`);
  }
  await disk.rmdir(path);
}

/** Removes the directories above refs that have become empty, but neither `refs` nor `refs/heads` and its like. */
export async function removeEmptyParents(disk: Disk, root: string, names: readonly string[]): Promise<void> {
  const parents = new Set<string>();
  for (const name of names) {
    for (const parent of refParents(name)) if (parent.split('/').length > 2) parents.add(parent);
  }
  // The longest first, so that a directory is empty by the time it is looked at.
  for (const parent of [...parents].sort((one, other) => other.length - one.length)) {
    try {
      await disk.rmdir(`${root}/${parent}`);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EBUSY')) throw error;
    }
  }
}
