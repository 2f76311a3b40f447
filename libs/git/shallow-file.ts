import { isOid, type ObjectFormat, type Oid, PackhorseError } from '#base';
import { LockFile } from './refs/ref-lock.ts';
import type { Storage } from './storage.ts';
import { unlessMissing } from './volume/disk.ts';
import { isUnchanged, type SeenFile } from './volume/seen-file.ts';

const lockWaitMs = 2_000;

const none: ReadonlySet<Oid> = new Set();

/** The `shallow` file of a repository that was itself cloned shallow (gitrepository-layout), read again when it changes. */
export class ShallowFile {
  readonly #storage: Storage;
  readonly #path: string;
  readonly #format: ObjectFormat;
  #oids = none;
  #seen: SeenFile = { stamp: undefined, readAtMs: 0 };

  constructor(storage: Storage, gitDir: string, format: ObjectFormat) {
    this.#storage = storage;
    this.#path = `${gitDir}/shallow`;
    this.#format = format;
  }

  async commits(): Promise<ReadonlySet<Oid>> {
    const { disk, clock } = this.#storage;
    const readAtMs = clock.nowMs();
    const stamp = disk.stampNow(this.#path);
    if (isUnchanged(this.#seen, stamp)) return this.#oids;
    const text = (await unlessMissing(disk.read(this.#path)))?.toString('latin1') ?? '';
    const oids = new Set(text.split('\n').filter((line) => isOid(line, this.#format)));
    this.#oids = oids;
    this.#seen = { stamp, readAtMs };
    return oids;
  }

  /** Makes history end at these commits as well, before any ref leads to them. */
  async add(oids: readonly Oid[]): Promise<void> {
    const { disk, clock } = this.#storage;
    const lock = await LockFile.acquire(disk, this.#path, { clock, waitMs: lockWaitMs });
    if (typeof lock === 'string') {
      throw new PackhorseError('unavailable', 'The shallow file is locked by another process, try again.');
    }
    try {
      const all = new Set([...(await this.commits()), ...oids]);
      await lock.write([Buffer.from(Array.from(all, (oid) => `${oid}\n`).join(''))]);
      await lock.commit();
      await disk.syncDirectory(lock.directory);
    } finally {
      await lock.release();
    }
  }
}
