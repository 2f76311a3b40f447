import { isUtf8 } from 'node:buffer';
import { PackhorseError } from '#base';

/** The names on the way to `path`; empty for the root. Throws `invalid_argument` for what cannot be a path. */
export function pathSegments(path: string): readonly string[] {
  if (path.includes('\0'))
    throw new PackhorseError('invalid_argument', 'A path cannot hold a NUL character.');
  return path.split('/').filter((segment) => segment !== '');
}

/**
 * A pathspec (gitglossary, "pathspec") that means exactly this path. Arguments of processes are
 * text, so bytes that are no UTF-8 are matched as any byte.
 */
export function pathspec(path: Buffer): string {
  if (isUtf8(path)) return `:(top,literal)${path.toString()}`;
  const glob = Array.from(path, (byte) => {
    if (byte >= 0x80) return '?';
    const character = String.fromCharCode(byte);
    return '*?[\\'.includes(character) ? `\\${character}` : character;
  });
  return `:(top,glob)${glob.join('')}`;
}
