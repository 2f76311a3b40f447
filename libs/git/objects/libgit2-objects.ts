import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ErrorMetadata, type Oid, PackhorseError } from '#base';
import type { ObjectKind } from '../reader.ts';
import { handleSweeper } from './handle-sweeper.ts';
import {
  copyBytes,
  errorAmbiguous,
  errorNotFound,
  type NativeOdb,
  type NativeOdbObject,
  type NativeRepository,
  native,
  nativeErrorCode,
  noRefresh,
} from './nodegit.ts';
import { ambiguousPrefix, objectTooLarge, type RawObject, type RawObjects } from './raw.ts';

/** As `git_object_t` numbers them. */
const kinds: Readonly<Record<number, ObjectKind>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' };

/** Existence checks are synchronous, a few microseconds each: so many of them in one turn of the event loop. */
const existenceBatch = 256;

const sha1Digits = 40;

/**
 * A libgit2 handle on the objects of one SHA-1 repository. It opens the object directory only, so
 * nothing in the repository's config can keep it from opening or make it run anything.
 */
export class Libgit2Objects implements Omit<RawObjects, 'header'> {
  readonly #odb: NativeOdb;
  readonly #repository: NativeRepository;
  readonly #maxObjectBytes: number;
  /** Asynchronous calls under way: they hold the handle's lock, on which a synchronous call would block. */
  readonly #inFlight = new Set<Promise<unknown>>();
  /** While a synchronous batch waits for those to end, no others are begun. */
  #batch: Promise<unknown> | undefined;
  #closed = false;

  private constructor(odb: NativeOdb, repository: NativeRepository, maxObjectBytes: number) {
    this.#odb = odb;
    this.#repository = repository;
    this.#maxObjectBytes = maxObjectBytes;
  }

  static async open(gitDir: string, options: { readonly maxObjectBytes: number }): Promise<Libgit2Objects> {
    const odb = await native.Odb.open(join(gitDir, 'objects'));
    const repository = await native.Repository.wrapOdb(odb);
    handleSweeper.opened();
    return new Libgit2Objects(odb, repository, options.maxObjectBytes);
  }

  async read(oid: Oid): Promise<RawObject | undefined> {
    const object = (await this.#readNative(oid)) ?? (await this.#readAgain(oid));
    const kind = object === null ? undefined : kinds[object.type()];
    if (object === null || kind === undefined) return undefined;
    if (object.size() > this.#maxObjectBytes) throw objectTooLarge(oid, this.#maxObjectBytes);
    return { kind, bytes: copyBytes(object) };
  }

  #readNative(oid: Oid): Promise<NativeOdbObject | null> {
    const id = native.Oid.fromString(oid);
    return this.#track(() => this.#odb.read(id));
  }

  /** nodegit does not say why it read nothing: an object that is there but cannot be read is damaged. */
  async #readAgain(oid: Oid): Promise<NativeOdbObject | null> {
    if (!(await this.existing([oid])).has(oid)) return null;
    const object = await this.#readNative(oid);
    if (object === null) throw unreadable({ oid });
    return object;
  }

  async existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    const found = new Set<Oid>();
    for (let at = 0; at < oids.length; at += existenceBatch) {
      if (at > 0) await nextTurn();
      const batch = oids.slice(at, at + existenceBatch);
      await this.#alone(() => this.#addExisting(batch, found));
    }
    return found;
  }

  #addExisting(oids: readonly Oid[], found: Set<Oid>): void {
    this.#assertOpen();
    // Only the first miss looks for packs that appeared since: one look is enough.
    let flags = 0;
    for (const oid of oids) {
      const id = native.Oid.fromString(oid);
      if (this.#odb.existsExt(id, noRefresh) !== 0) found.add(oid);
      else if (flags === 0) {
        flags = noRefresh;
        if (this.#odb.existsExt(id, 0) !== 0) found.add(oid);
      }
    }
  }

  /** Runs synchronous work while no asynchronous call is under way. */
  async #alone(work: () => void): Promise<void> {
    while (this.#batch !== undefined) await this.#batch;
    if (this.#inFlight.size > 0) {
      const idle = Promise.allSettled(this.#inFlight);
      this.#batch = idle;
      await idle;
      this.#batch = undefined;
    }
    work();
  }

  async expand(prefix: string): Promise<Oid | undefined> {
    try {
      const id = native.Oid.fromString(prefix.padEnd(sha1Digits, '0'));
      return (await this.#found(() => this.#odb.existsPrefix(id, prefix.length)))?.tostrS();
    } catch (error) {
      if (nativeErrorCode(error) === errorAmbiguous) throw ambiguousPrefix(prefix);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#inFlight);
    this.#repository.cleanup();
    handleSweeper.closed();
  }

  #assertOpen(): void {
    if (this.#closed) throw new PackhorseError('unavailable', 'The repository was closed. Try again.');
  }

  async #track<Value>(call: () => Promise<Value>): Promise<Value> {
    while (this.#batch !== undefined) await this.#batch;
    this.#assertOpen();
    const running = call();
    this.#inFlight.add(running);
    try {
      return await running;
    } catch (error) {
      const code = nativeErrorCode(error);
      if (code === undefined || code === errorNotFound || code === errorAmbiguous) throw error;
      throw unreadable({ libgit2: code }, error);
    } finally {
      this.#inFlight.delete(running);
    }
  }

  /** What `call` answers, or undefined when libgit2 says that there is no such object. */
  async #found<Value>(call: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await this.#track(call);
    } catch (error) {
      if (nativeErrorCode(error) === errorNotFound) return undefined;
      throw error;
    }
  }
}

function unreadable(metadata: ErrorMetadata, cause?: unknown): PackhorseError {
  return new PackhorseError('data_loss', 'An object of this repository cannot be read.', { metadata, cause });
}
