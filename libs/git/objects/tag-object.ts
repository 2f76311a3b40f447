import type { Oid } from '#base';
import type { ObjectKind, TagFields } from '../reader.ts';
import { headerLines, parseSignature, splitMessage } from './commit-object.ts';
import { MalformedObject } from './malformed.ts';
import { decodeText } from './text.ts';

export function isObjectKind(text: string): text is ObjectKind {
  return text === 'commit' || text === 'tree' || text === 'blob' || text === 'tag';
}

/** A tag's signature follows its message (gpg-interface.c, `parse_signature`); it is nothing to read. */
function withoutSignature(message: string): string {
  const at = /^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----/m.exec(
    message,
  )?.index;
  return at === undefined ? message : message.slice(0, at);
}

/** Reads a tag object (git-mktag(1)), lenient where git is. */
export function parseTag(oid: Oid, bytes: Buffer): TagFields {
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
  const tagger = fields.get('tagger');
  const message = headerEnd === -1 ? '' : withoutSignature(decodeText(bytes.subarray(headerEnd + 2)));
  return {
    oid,
    name: decodeText(fields.get('tag') ?? Buffer.alloc(0)),
    ...(tagger !== undefined && { tagger: parseSignature(tagger) }),
    ...splitMessage(message),
    targetOid,
    targetKind,
  };
}
