import type { Membership, VolumeLocation } from '../membership/membership.ts';
import { readOrder } from './read-order.ts';
import { candidatesOf, type Choice, VolumeRings, type Wish } from './volume-choice.ts';

export interface PlacementOptions {
  readonly membership: Membership;
  /** Space that new repositories leave free on a volume. */
  readonly reserveBytes: number;
  /** Where replicas go when a region has not enough nodes, in this order. */
  readonly replicaRegions: readonly string[];
}

/** Where repositories go, and which of their copies to read, as the membership has it at the moment. */
export class Placement {
  readonly #options: PlacementOptions;
  readonly #endWatch: () => void;
  #rings: VolumeRings | undefined;

  constructor(options: PlacementOptions) {
    this.#options = options;
    this.#endWatch = options.membership.watch(() => {
      this.#rings = undefined;
    });
  }

  /** Where a new repository goes; without a region, where this node is. Undefined when there is no volume. */
  choose(
    wish: Pick<Wish, 'repositoryId' | 'copies'> & { readonly region?: string | undefined },
  ): Choice | undefined {
    const { membership, reserveBytes, replicaRegions } = this.#options;
    this.#rings ??= new VolumeRings(candidatesOf(membership.nodes(), reserveBytes));
    const { region } = membership.self;
    // Who came in here did so because it is near, even if the region that was wished for has no disk.
    const instead = [region, ...replicaRegions];
    return this.#rings.choose({ ...wish, region: wish.region ?? region, replicaRegions: instead });
  }

  /** The copies that can be read from here, the nearest first. */
  readFrom(placement: {
    readonly volumeId: string;
    readonly replicas: readonly string[];
  }): readonly VolumeLocation[] {
    const { membership } = this.#options;
    return readOrder(placement, membership.self, (volumeId) => membership.volume(volumeId));
  }

  close(): void {
    this.#endWatch();
  }
}
