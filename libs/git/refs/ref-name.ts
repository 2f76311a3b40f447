import { isValidRefName } from '#wire';

const surrogate = /[\ud800-\udfff]/;

/** Order by the bytes of the UTF-8 name, as packed-refs and every Git listing has it. */
export function compareRefNames(one: string, other: string): number {
  // UTF-16 and UTF-8 order differ only where characters outside the basic plane are involved.
  if (surrogate.test(one) || surrogate.test(other))
    return Buffer.compare(Buffer.from(one), Buffer.from(other));
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** Longest name of a ref in bytes; a path on disk must still hold `.lock` and the repository's own path. */
const maxRefNameBytes = 1024;
/** A file name has at most 255 bytes, of which `.lock` takes some. */
const maxComponentBytes = 250;

/** True for a full ref name that a file can hold: valid (git-check-ref-format), below `refs/`, and not too long. */
export function isStorableRefName(name: string): boolean {
  if (!name.startsWith('refs/') || !isValidRefName(name)) return false;
  if (Buffer.byteLength(name) > maxRefNameBytes) return false;
  return name.split('/').every((component) => Buffer.byteLength(component) <= maxComponentBytes);
}

/** The directories above a ref: for `refs/heads/a/b` these are `refs/heads/a`, `refs/heads` and `refs`. */
export function* refParents(name: string): Generator<string, void, undefined> {
  for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1))
    yield name.slice(0, end);
}
