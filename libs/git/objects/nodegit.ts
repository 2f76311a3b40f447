import nodegit from 'nodegit';

/**
 * What is used of nodegit, as it really is: its published types are for an older version and
 * partly wrong. This file is its only importer, and holds the only casts.
 *
 * Every function that returns a promise runs on nodegit's own threads. The synchronous ones take
 * the lock of their object, so never call one while an asynchronous call on the same object runs.
 */
export interface NativeOid {
  tostrS(): string;
}

export interface NativeOdbObject {
  size(): number;
  /** As in `git_object_t`. */
  type(): number;
  data(): { toBuffer(sizeBytes: number): Buffer } | null;
}

export interface NativeOdb {
  /** null for whatever went wrong. */
  read(oid: NativeOid): Promise<NativeOdbObject | null>;
  existsPrefix(oid: NativeOid, digits: number): Promise<NativeOid>;
  /** Synchronous; with `noRefresh` a few microseconds. */
  existsExt(oid: NativeOid, flags: number): number;
}

export interface NativeRepository {
  /** Lets go of the object database and everything cached. */
  cleanup(): void;
}

interface Native {
  readonly Oid: { fromString(text: string): NativeOid };
  readonly Odb: {
    /** Follows `info/alternates`, and uses `info/commit-graph`. */
    open(objectsDirectory: string): Promise<NativeOdb>;
    getSelfFreeingInstanceCount(): number;
  };
  readonly Repository: { wrapOdb(odb: NativeOdb): Promise<NativeRepository> };
  readonly Libgit2: {
    opts(option: number, value: number): void;
    readonly OPT: {
      readonly ENABLE_CACHING: number;
      readonly ENABLE_STRICT_HASH_VERIFICATION: number;
      readonly DISABLE_PACK_KEEP_FILE_CHECKS: number;
      readonly SET_MWINDOW_SIZE: number;
      readonly SET_MWINDOW_MAPPED_LIMIT: number;
    };
  };
}

export const native = nodegit as unknown as Native;

/** `GIT_ODB_LOOKUP_NO_REFRESH`: do not look for packs that appeared since. */
export const noRefresh = 1;
export const errorNotFound = -3;
export const errorAmbiguous = -5;

/** The libgit2 error code of what a nodegit call threw. */
export function nativeErrorCode(thrown: unknown): number | undefined {
  return thrown instanceof Error && 'errno' in thrown && typeof thrown.errno === 'number'
    ? thrown.errno
    : undefined;
}

/** Copies an object's bytes out of libgit2's memory. */
export function copyBytes(object: NativeOdbObject): Buffer {
  const sizeBytes = object.size();
  return sizeBytes === 0 ? Buffer.alloc(0) : (object.data()?.toBuffer(sizeBytes) ?? Buffer.alloc(0));
}

/**
 * nodegit makes its buffers through a constructor that Node calls deprecated, once per process and
 * on standard error: the one time is spent here, unheard.
 */
function quietBufferDeprecation(): void {
  const before = process.noDeprecation;
  process.noDeprecation = true;
  (Buffer as unknown as (sizeBytes: number) => Buffer)(1);
  process.noDeprecation = before ?? false;
}

/** How much of the packs libgit2 maps into memory at once, for all repositories together. */
const mappedLimitBytes = 64 * 1024 * 1024;
const windowBytes = 4 * 1024 * 1024;

function configure(): void {
  const { OPT } = native.Libgit2;
  // Parsed objects are cached by ObjectCache within its budget; libgit2's own cache has another
  // budget that nobody sees. Hashes are verified when a pack comes in and by `git fsck`, as in git.
  native.Libgit2.opts(OPT.ENABLE_CACHING, 0);
  native.Libgit2.opts(OPT.ENABLE_STRICT_HASH_VERIFICATION, 0);
  native.Libgit2.opts(OPT.DISABLE_PACK_KEEP_FILE_CHECKS, 1);
  native.Libgit2.opts(OPT.SET_MWINDOW_SIZE, windowBytes);
  native.Libgit2.opts(OPT.SET_MWINDOW_MAPPED_LIMIT, mappedLimitBytes);
}

configure();
quietBufferDeprecation();
