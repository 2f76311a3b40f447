import type { Oid } from '#base';
import type { ObjectKind } from '../reader.ts';
import { headerLines } from './commit-object.ts';
import { MalformedObject } from './malformed.ts';

/** What an annotated tag names (git-mktag(1)). */
export interface TagTarget {
  readonly targetOid: Oid;
  readonly targetKind: ObjectKind;
}

export function isObjectKind(text: string): text is ObjectKind {
  return text === 'commit' || text === 'tree' || text === 'blob' || text === 'tag';
}

export function parseTag(oid: Oid, bytes: Buffer): TagTarget {
  const headerEnd = bytes.indexOf('\n\n');
  const fields = new Map<string, Buffer>();
  for (const [key, value] of headerLines(headerEnd === -1 ? bytes : bytes.subarray(0, headerEnd))) {
    if (!fields.has(key)) fields.set(key, value);
  }
  const targetOid = fields.get('object')?.toString('latin1');
  const targetKind = fields.get('type')?.toString('latin1');
  if (targetOid === undefined || targetKind === undefined || !isObjectKind(targetKind)) {
    throw new MalformedObject('tag', oid);
  }
  return { targetOid, targetKind };
}
