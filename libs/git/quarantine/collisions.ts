import { type Oid, PackhorseError } from '#base';
import type { RawObject } from '../objects/raw.ts';
import { CollisionDetector } from '../sha1/collision-detector.ts';

/**
 * Throws `invalid_argument` when an object was made to have the same SHA-1 as another one, as
 * git-index-pack does. `attackOn` says what kind of attack a message is part of.
 */
export function refuseCollisions(
  objects: ReadonlyMap<Oid, RawObject>,
  attackOn: (header: Buffer, content: Buffer) => string | undefined = (header, content) =>
    new CollisionDetector().update(header).update(content).finish(),
): void {
  for (const [oid, { kind, bytes }] of objects) {
    const attack = attackOn(Buffer.from(`${kind} ${bytes.length}\0`), bytes);
    if (attack === undefined) continue;
    throw new PackhorseError('invalid_argument', `SHA1 appears to be part of a collision attack: ${oid}`, {
      metadata: { oid, attack },
    });
  }
}
