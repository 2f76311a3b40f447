import { isOid, type ObjectFormat, type Oid } from '#base';
import { isUnchanged } from './refs/loose-refs.ts';
import type { Storage } from './storage.ts';
import { type FileStamp, unlessMissing } from './volume/disk.ts';

const none: ReadonlySet<Oid> = new Set();

/** The `shallow` file of a repository that was itself cloned shallow (gitrepository-layout), read again when it changes. */
export class ShallowFile {
  readonly #storage: Storage;
  readonly #path: string;
  readonly #format: ObjectFormat;
  #remembered:
    | { readonly stamp: FileStamp; readonly readAtMs: number; readonly oids: ReadonlySet<Oid> }
    | undefined;

  constructor(storage: Storage, gitDir: string, format: ObjectFormat) {
    this.#storage = storage;
    this.#path = `${gitDir}/shallow`;
    this.#format = format;
  }

  async commits(): Promise<ReadonlySet<Oid>> {
    const { disk, clock } = this.#storage;
    const readAtMs = clock.nowMs();
    const stamp = await unlessMissing(disk.stamp(this.#path));
    if (stamp === undefined) return none;
    if (this.#remembered !== undefined && isUnchanged(this.#remembered, stamp)) return this.#remembered.oids;
    const text = (await unlessMissing(disk.read(this.#path)))?.toString('latin1') ?? '';
    const oids = new Set(text.split('\n').filter((line) => isOid(line, this.#format)));
    this.#remembered = { stamp, readAtMs, oids };
    return oids;
  }
}
