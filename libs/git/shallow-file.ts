import { isOid, type ObjectFormat, type Oid } from '#base';
import type { Storage } from './storage.ts';
import { unlessMissing } from './volume/disk.ts';
import { isUnchanged, type SeenFile } from './volume/seen-file.ts';

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
}
