import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Disk, type DiskFile, systemDisk } from '#git';

/**
 * What happens at one step: the machine stops there, this process is killed for good (of what it was
 * to write, half is written), or the disk answers with an error this once.
 */
export type Fault =
  | { readonly at: number; readonly kind: 'crash' | 'kill' }
  | { readonly at: number; readonly kind: 'error'; readonly code: 'ENOSPC' | 'EIO' };

/** Thrown at the step at which the machine stops, and by everything that is tried afterwards. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

interface Change {
  /** The directory whose fsync makes it durable. */
  readonly directory: string;
  revert(): void;
}

/**
 * The machine's disk with a fault at one chosen step (every call that changes or syncs something
 * is a step), which also knows what would be lost with the power: `losePower` takes back every
 * name that was not made durable by an fsync of its directory, and all content that was not by an
 * fsync of its file.
 */
export class FaultyDisk implements Disk {
  /** What was done, one line for each step. */
  readonly steps: string[] = [];
  readonly #fault: Fault | undefined;
  #failedStep: string | undefined;
  #crashed = false;
  #changes: Change[] = [];
  /** Content that is not durable: by inode, the size that is. */
  readonly #unsynced = new Map<number, number>();
  readonly #synced = new Set<number>();

  constructor(fault?: Fault) {
    this.#fault = fault;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** The step that the fault fell on. What goes on at once is in another order each time, so it may not be the one that was meant. */
  get failedStep(): string | undefined {
    return this.#failedStep;
  }

  #step(what: string, path: string): void {
    if (this.#crashed) throw new Crash(`after the crash: ${what} ${path}`);
    const index = this.steps.length;
    this.steps.push(`${what} ${basename(dirname(path))}/${basename(path)}`);
    if (this.#fault?.at !== index) return;
    this.#failedStep = this.steps[index];
    if (this.#fault.kind === 'kill') process.kill(process.pid, 'SIGKILL');
    if (this.#fault.kind !== 'error') {
      this.#crashed = true;
      throw new Crash(`${what} ${path}`);
    }
    const { code } = this.#fault;
    throw Object.assign(new Error(`${code}: injected, ${what} '${path}'`), { code });
  }

  #look(): void {
    if (this.#crashed) throw new Crash('after the crash');
  }

  #changed(path: string, revert: () => void): void {
    this.#changes.push({ directory: dirname(path), revert });
  }

  async create(path: string, mode?: number): Promise<DiskFile> {
    this.#step('create', path);
    const file = await systemDisk.create(path, mode);
    this.#changed(path, () => rmSync(path, { force: true }));
    return this.#file(path, file, 0);
  }

  async append(path: string): Promise<DiskFile> {
    this.#step('append', path);
    const isNew = !existsSync(path);
    const file = await systemDisk.append(path);
    if (isNew) this.#changed(path, () => rmSync(path, { force: true }));
    return this.#file(path, file, lstatSync(path).size);
  }

  #file(path: string, file: DiskFile, durableBytes: number): DiskFile {
    const inode = lstatSync(path).ino;
    this.#unsynced.set(inode, durableBytes);
    return {
      write: async (bytes) => {
        const isKilled = this.#fault?.kind === 'kill' && this.#fault.at === this.steps.length;
        if (isKilled) await file.write(bytes.subarray(0, bytes.length >> 1));
        this.#step('write', path);
        await file.write(bytes);
      },
      sync: async () => {
        this.#step('sync', path);
        await file.sync();
        this.#unsynced.delete(inode);
        this.#synced.add(inode);
      },
      // Closing works whatever happened: a stopped machine closes everything.
      close: () => file.close(),
    };
  }

  async syncFile(path: string): Promise<void> {
    this.#step('sync', path);
    await systemDisk.syncFile(path);
    this.#unsynced.delete(lstatSync(path).ino);
    this.#synced.add(lstatSync(path).ino);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#step('sync directory', path);
    await systemDisk.syncDirectory(path);
    this.#changes = this.#changes.filter((change) => change.directory !== path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step('rename', to);
    const replaced = existsSync(to) && lstatSync(to).isFile() ? readFileSync(to) : undefined;
    const { ino, size } = lstatSync(from);
    // A file that a git process wrote: whether it is durable is only known once it was synced here.
    if (size > 0 && !this.#synced.has(ino) && lstatSync(from).isFile()) this.#unsynced.set(ino, 0);
    await systemDisk.rename(from, to);
    this.#changed(to, () => {
      if (existsSync(to) && existsSync(dirname(from))) renameSync(to, from);
      else rmSync(to, { force: true, recursive: true });
      if (replaced !== undefined) writeFileSync(to, replaced);
    });
  }

  async link(existing: string, to: string): Promise<void> {
    this.#step('link', to);
    await systemDisk.link(existing, to);
    this.#changed(to, () => rmSync(to, { force: true }));
  }

  async unlink(path: string): Promise<void> {
    this.#step('unlink', path);
    const content = existsSync(path) ? readFileSync(path) : undefined;
    await systemDisk.unlink(path);
    this.#changed(path, () => {
      if (content !== undefined && existsSync(dirname(path))) writeFileSync(path, content);
    });
  }

  async truncate(path: string, sizeBytes: number): Promise<void> {
    this.#step('truncate', path);
    await systemDisk.truncate(path, sizeBytes);
  }

  async mkdir(path: string): Promise<void> {
    this.#step('mkdir', path);
    await systemDisk.mkdir(path);
    this.#changed(path, () => rmSync(path, { recursive: true, force: true }));
  }

  async rmdir(path: string): Promise<void> {
    this.#step('rmdir', path);
    await systemDisk.rmdir(path);
    this.#changed(path, () => {
      if (existsSync(dirname(path))) mkdirSync(path, { recursive: true });
    });
  }

  async removeTree(path: string): Promise<void> {
    this.#step('remove', path);
    await systemDisk.removeTree(path);
  }

  read(path: string): ReturnType<Disk['read']> {
    this.#look();
    return systemDisk.read(path);
  }

  stamp(path: string): ReturnType<Disk['stamp']> {
    this.#look();
    return systemDisk.stamp(path);
  }

  stampNow(path: string): ReturnType<Disk['stampNow']> {
    this.#look();
    return systemDisk.stampNow(path);
  }

  readLink(path: string): Promise<string> {
    this.#look();
    return systemDisk.readLink(path);
  }

  list(directory: string): ReturnType<Disk['list']> {
    this.#look();
    return systemDisk.list(directory);
  }

  /** Leaves below `root` what a machine finds after its power went away now. */
  losePower(root: string): void {
    this.#crashed = true;
    for (const path of filesBelow(root)) {
      const durableBytes = this.#unsynced.get(lstatSync(path).ino);
      if (durableBytes !== undefined) truncateSync(path, durableBytes);
    }
    for (const change of this.#changes.toReversed()) change.revert();
    this.#changes = [];
  }
}

function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
