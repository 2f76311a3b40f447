import { type Oid, PackhorseError } from '#base';
import type { ObjectKind } from '../reader.ts';

/** An object whose bytes are not what its kind says. */
export class MalformedObject extends PackhorseError {
  constructor(kind: ObjectKind, oid: Oid) {
    super('failed_precondition', 'An object in this repository is malformed.', { metadata: { kind, oid } });
  }
}
