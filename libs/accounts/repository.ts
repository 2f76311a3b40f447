import type { ObjectFormat } from '#base';

export type Visibility = 'public' | 'private';

/** A repository as the database knows it; where its bytes are is said by `placement`. */
export interface RepositoryRecord {
  /** Opaque; names the directory on the volume. */
  readonly id: string;
  readonly ownerId: string;
  readonly ownerLogin: string;
  readonly name: string;
  readonly description: string;
  readonly visibility: Visibility;
  readonly objectFormat: ObjectFormat;
  readonly createdAt: Date;
  readonly placement: Placement;
}

/** Which volume is the primary, at which epoch, and which have copies. */
export interface Placement {
  readonly volumeId: string;
  /** Grows each time that another volume becomes the primary, or this one does so anew. */
  readonly epoch: number;
  /** Volumes with a copy, the primary's own not among them; sorted. */
  readonly replicas: readonly string[];
  /** Where it is to be. */
  readonly region: string;
  /** How many copies must have a push on disk before it is acknowledged. */
  readonly durability: number;
}

/** A placement as it is first written down; what is left out is as on a single node. */
export type NewPlacement = Pick<Placement, 'volumeId' | 'epoch'> & Partial<Placement>;

export function completePlacement(placement: NewPlacement): Placement {
  return { replicas: [], region: 'local', durability: 1, ...placement };
}
