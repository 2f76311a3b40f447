import { hash } from 'node:crypto';
import type { ObjectFormat } from '#base';
import type { PackRequest } from '#wire';

/**
 * The name of a pack in the cache: 64 hexadecimal digits, of which the first 16 stand for the
 * repository. Made of everything that decides what is in the pack, and never of who asks.
 */
export type PackKey = string;

const repositoryDigits = 16;

/** The part of a key that all packs of one incarnation of a repository share. */
export function repositoryPart(repositoryId: string): string {
  return hash('sha256', repositoryId).slice(0, repositoryDigits);
}

/**
 * The key of what answers `request`. `facts` is what else on disk decides the answer, such as the
 * repository's own shallow commits. Progress is no part of it; the order of oids is none either.
 */
export function packKey(
  repositoryId: string,
  format: ObjectFormat,
  request: PackRequest,
  facts: readonly string[],
): PackKey {
  const { progress: _, ...decisive } = request;
  // Every field, also one that is added later: what is left out by mistake would serve a wrong pack.
  const fields = Object.entries(decisive)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, value]) => `${name}=${isList(value) ? value.toSorted().join('\n') : JSON.stringify(value)}\0`,
    );
  const all = fields.join('') + JSON.stringify([format, ...facts]);
  return repositoryPart(repositoryId) + hash('sha256', all).slice(0, 64 - repositoryDigits);
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
