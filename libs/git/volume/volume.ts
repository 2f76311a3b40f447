import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FileLock, type Log, PackhorseError, type Random, randomId, silentLog, systemRandom } from '#base';
import { isValidRefName } from '#wire';
import {
  type Disk,
  diskError,
  hasErrno,
  makeDirectories,
  systemDisk,
  unlessMissing,
  writeNewFile,
} from './disk.ts';
import { isRepositoryId, repositoryPath, volumeLayout } from './layout.ts';
import { type NewRepositoryOptions, writeEmptyRepository } from './new-repository.ts';
import { recoverRepository } from './recovery.ts';

export interface VolumeOptions {
  readonly random?: Random;
  readonly log?: Log;
  readonly disk?: Disk;
}

const formatVersion = 1;

/** A directory that stores repositories under opaque ids; held by one running server at a time. */
export class Volume implements AsyncDisposable {
  /** Random, written once into the volume itself: it stays the same wherever the disk is mounted. */
  readonly id: string;
  readonly path: string;
  readonly #disk: Disk;
  readonly #random: Random;
  readonly #log: Log;
  readonly #lock: FileLock;

  /** Use `openVolume`. */
  constructor(id: string, path: string, lock: FileLock, options: Required<VolumeOptions>) {
    this.id = id;
    this.path = path;
    this.#lock = lock;
    this.#disk = options.disk;
    this.#random = options.random;
    this.#log = options.log;
  }

  /** Where a repository is, or would be. Throws `invalid_argument` for what is not an opaque id. */
  repositoryPath(id: string): string {
    if (!isRepositoryId(id)) throw new PackhorseError('invalid_argument', 'This is not a repository id.');
    return repositoryPath(this.path, id);
  }

  /**
   * Makes an empty repository; it appears complete and durable, or not at all.
   * Throws `already_exists`, `invalid_argument` for a bad branch name, `resource_exhausted` on a full disk.
   */
  async createRepository(id: string, options: NewRepositoryOptions): Promise<void> {
    const path = this.repositoryPath(id);
    if (!isValidRefName(`refs/heads/${options.defaultBranch}`)) {
      throw new PackhorseError('invalid_argument', 'The default branch must be a valid branch name.');
    }
    const incoming = join(this.path, volumeLayout.incoming, `${id}.${randomId(this.#random)}`);
    try {
      await writeEmptyRepository(this.#disk, incoming, options);
      const parent = path.slice(0, path.lastIndexOf('/'));
      const madeIn = await makeDirectories(this.#disk, parent);
      await this.#disk.rename(incoming, path);
      for (const directory of [parent, ...madeIn]) await this.#disk.syncDirectory(directory);
    } catch (error) {
      await this.#disk.removeTree(incoming).catch(() => undefined);
      if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) {
        throw new PackhorseError('already_exists', 'There is a repository with this id already.', {
          cause: error,
        });
      }
      throw diskError(error);
    }
  }

  /** Removes a repository: at once out of sight, then from the disk. Nothing happens when it is not there. */
  async removeRepository(id: string): Promise<void> {
    const path = this.repositoryPath(id);
    const trash = join(this.path, volumeLayout.trash, `${id}.${randomId(this.#random)}`);
    try {
      if ((await unlessMissing(this.#disk.stamp(path))) === undefined) return;
      await this.#disk.rename(path, trash);
      await this.#disk.syncDirectory(path.slice(0, path.lastIndexOf('/')));
      await this.#disk.removeTree(trash);
    } catch (error) {
      throw diskError(error);
    }
  }

  /** The ids of all repositories, in no particular order. */
  async *repositories(): AsyncGenerator<string, void, undefined> {
    const root = join(this.path, volumeLayout.repositories);
    for (const first of await this.#disk.list(root)) {
      for (const second of await this.#disk.list(join(root, first.name))) {
        for (const { name } of await this.#disk.list(join(root, first.name, second.name))) {
          const id = name.slice(0, -'.git'.length);
          if (name.endsWith('.git') && isRepositoryId(id)) yield id;
        }
      }
    }
  }

  /** Removes what an earlier server left behind: changes that it noted as under way, half-made and half-removed repositories. */
  async recover(): Promise<void> {
    const busy = join(this.path, volumeLayout.busy);
    const left = await this.#disk.list(busy);
    const ids = new Set(
      left.map((entry) => entry.name.split('.')[0] ?? '').filter((id) => isRepositoryId(id)),
    );
    for (const id of ids) {
      const removed = await recoverRepository(this.#disk, this.repositoryPath(id));
      this.#log.info('Recovered a repository after an unclean stop.', { repositoryId: id, removed });
    }
    for (const entry of left) await this.#disk.removeTree(join(busy, entry.name));
    for (const directory of [volumeLayout.incoming, volumeLayout.trash]) {
      const path = join(this.path, directory);
      for (const entry of await this.#disk.list(path)) await this.#disk.removeTree(join(path, entry.name));
    }
  }

  /** Gives the volume back, for another server to open. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#lock[Symbol.dispose]();
    return Promise.resolve();
  }
}

/**
 * Opens a volume directory, making it on first use, and tidies up after an unclean stop.
 * Throws `failed_precondition` when another server runs on it or its format is newer than this server.
 */
export async function openVolume(directory: string, options: VolumeOptions = {}): Promise<Volume> {
  const complete = { random: systemRandom, log: silentLog, disk: systemDisk, ...options };
  const path = resolve(directory);
  await mkdir(path, { recursive: true, mode: 0o700 });
  const lock = FileLock.acquire(join(path, volumeLayout.lock));
  if (lock === undefined) {
    throw new PackhorseError(
      'failed_precondition',
      'Another running server uses this volume; a volume has only one.',
      { metadata: { volume: path } },
    );
  }
  try {
    const { repositories, incoming, trash, busy } = volumeLayout;
    for (const name of [repositories, incoming, trash, busy])
      await makeDirectories(complete.disk, join(path, name));
    const id = await identity(complete, path);
    const volume = new Volume(id, path, lock, complete);
    await volume.recover();
    return volume;
  } catch (error) {
    lock[Symbol.dispose]();
    throw diskError(error);
  }
}

async function identity(options: Required<VolumeOptions>, path: string): Promise<string> {
  const file = join(path, volumeLayout.identity);
  const text = await unlessMissing(options.disk.read(file));
  if (text !== undefined) return parseIdentity(text.toString());
  const id = randomId(options.random);
  const temporary = `${file}.new`;
  await options.disk.removeTree(temporary);
  await writeNewFile(
    options.disk,
    temporary,
    Buffer.from(`${JSON.stringify({ format: formatVersion, id })}\n`),
  );
  await options.disk.rename(temporary, file);
  await options.disk.syncDirectory(path);
  return id;
}

function parseIdentity(text: string): string {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new PackhorseError('data_loss', "The volume's identity file is damaged.", { cause: error });
  }
  if (typeof content === 'object' && content !== null && 'format' in content && 'id' in content) {
    if (content.format !== formatVersion) {
      throw new PackhorseError(
        'failed_precondition',
        'The volume was written by a newer version of this server.',
      );
    }
    if (typeof content.id === 'string' && isRepositoryId(content.id)) return content.id;
  }
  throw new PackhorseError('data_loss', "The volume's identity file is damaged.");
}
