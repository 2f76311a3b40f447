import { cpSync, existsSync, linkSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A copy with exactly the same layout on disk, so that every server finds the same packs, bitmaps
 * and graphs. Packs never change and are shared as hard links, which keeps the page cache fair.
 */
export function copyRepository(source: string, target: string): void {
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(source)) {
    if (entry !== 'objects') cpSync(join(source, entry), join(target, entry), { recursive: true });
  }
  linkTree(join(source, 'objects'), join(target, 'objects'));
}

/** Gives an empty repository what `source` has: its objects, refs and HEAD, but not its configuration. */
export function fillRepository(source: string, target: string): void {
  for (const entry of ['HEAD', 'packed-refs', 'refs']) {
    const from = join(source, entry);
    if (existsSync(from)) cpSync(from, join(target, entry), { recursive: true });
  }
  linkTree(join(source, 'objects'), join(target, 'objects'));
}

function linkTree(source: string, target: string): void {
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    if (entry.isDirectory()) linkTree(from, to);
    else linkOrCopy(from, to);
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    cpSync(from, to);
  }
}
