import { createHash } from 'node:crypto';

/** A weak entity tag (RFC 9110, 8.8.3) of everything that a page is made from. */
export function weakTag(parts: readonly unknown[]): string {
  return `W/"${createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22)}"`;
}

/** Whether `If-None-Match` (RFC 9110, 13.1.2) names this tag; the comparison is the weak one. */
export function isKnown(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const opaque = (text: string): string => text.trim().replace(/^W\//, '');
  return ifNoneMatch.split(',').some((known) => known.trim() === '*' || opaque(known) === opaque(tag));
}
