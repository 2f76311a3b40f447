import type { VolumeLocation } from '../membership/membership.ts';

/** Who reads. */
export interface Reader {
  readonly region: string;
}

/**
 * The copies of a repository that can be read, the nearest first: one of this node, then those of the
 * reader's region, then the others; among equals the primary, which has everything. Copies on nodes
 * that are gone are left out; draining nodes come last within their place.
 */
export function readOrder(
  { volumeId, replicas }: { readonly volumeId: string; readonly replicas: readonly string[] },
  { region }: Reader,
  locate: (volumeId: string) => VolumeLocation | undefined,
): readonly VolumeLocation[] {
  const distance = (location: VolumeLocation): number => {
    const place = location.isLocal ? 0 : location.region === region ? 4 : 8;
    return place + (location.isDraining ? 2 : 0) + (location.volumeId === volumeId ? 0 : 1);
  };
  return [volumeId, ...replicas]
    .flatMap((id) => locate(id) ?? [])
    .filter(({ isAlive }) => isAlive)
    .sort((a, b) => distance(a) - distance(b));
}
