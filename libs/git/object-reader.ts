import type { Oid } from '#base';
import type { CommitNode } from '#wire';
import type { RawObject } from './objects/raw.ts';
import type { ObjectKind } from './reader.ts';

/** Raw object access, as refs, negotiation and policy need it; implemented over libgit2. */
export interface ObjectReader {
  /** undefined when the object does not exist. */
  header(oid: Oid): Promise<{ readonly kind: ObjectKind; readonly sizeBytes: number } | undefined>;
  /** The whole object in memory; undefined when it does not exist. Throws `resource_exhausted` for one that is too large for that. */
  read(oid: Oid): Promise<RawObject | undefined>;
  existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>>;
  /** Peels tags; undefined when the object does not exist or is no commit. */
  commitNode(oid: Oid): Promise<CommitNode | undefined>;
  /** What an annotated tag finally names; undefined when `oid` is not a tag or its target is missing. */
  peelTag(oid: Oid): Promise<Oid | undefined>;
}
