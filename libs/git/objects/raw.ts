import { type Oid, PackhorseError } from '#base';
import type { ObjectKind } from '../reader.ts';

export interface ObjectHeader {
  readonly kind: ObjectKind;
  readonly sizeBytes: number;
}

export interface RawObject {
  readonly kind: ObjectKind;
  /** The content without the loose-object header. */
  readonly bytes: Buffer;
}

/**
 * The objects of one repository as bytes. New packs and loose objects are seen as soon as they are
 * asked for. Nothing here is cached.
 */
export interface RawObjects extends AsyncDisposable {
  /** undefined when the object does not exist. */
  header(oid: Oid): Promise<ObjectHeader | undefined>;
  /**
   * The whole object in memory; undefined when it does not exist. Throws `resource_exhausted` past
   * the store's limit for one object. Ask for the header first when it may be a large blob.
   */
  read(oid: Oid): Promise<RawObject | undefined>;
  existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>>;
  /**
   * The object whose id starts with `prefix` (lower-case hexadecimal, 4 digits or more). Throws
   * `invalid_argument` when there are several.
   */
  expand(prefix: string): Promise<Oid | undefined>;
}

export function ambiguousPrefix(prefix: string): PackhorseError {
  return new PackhorseError(
    'invalid_argument',
    'Several objects have an id that starts like this; give more digits.',
    {
      metadata: { prefix },
    },
  );
}

export function objectTooLarge(oid: Oid, maxBytes: number): PackhorseError {
  return new PackhorseError('resource_exhausted', 'An object is larger than the server can show.', {
    metadata: { oid, maxBytes },
  });
}
