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

/** Which volume is the primary, at which epoch. */
export interface Placement {
  readonly volumeId: string;
  readonly epoch: number;
}
