import { type Oid, PackhorseError } from '#base';
import { findLine, kindOfMode, type TreeLine } from '../objects/tree-object.ts';
import type { TreeEntry } from '../reader.ts';
import type { ReadContext } from './context.ts';
import { pathSegments } from './path.ts';

const treeMode = 0o040000;

function entryOf(line: TreeLine, directory: string): TreeEntry {
  const { name, oid, mode } = line;
  return { name, path: directory === '' ? name : `${directory}/${name}`, oid, mode, kind: kindOfMode(mode) };
}

/** The entries of the directory at `path` below a tree. Throws `not_found` when there is no directory. */
export async function listDirectory(
  context: Pick<ReadContext, 'objects'>,
  treeOid: Oid,
  path: string,
): Promise<readonly TreeEntry[]> {
  const directory = await findEntry(context, treeOid, path);
  const lines = directory?.kind === 'tree' ? await context.objects.findTree(directory.oid) : undefined;
  if (directory === undefined || lines === undefined) {
    throw new PackhorseError('not_found', 'There is no directory at this path.', { metadata: { path } });
  }
  return lines.map((line) => entryOf(line, directory.path));
}

/** What is at `path` below a tree; for the empty path the tree itself. */
export async function findEntry(
  context: Pick<ReadContext, 'objects'>,
  treeOid: Oid,
  path: string,
): Promise<TreeEntry | undefined> {
  let at: TreeEntry = { name: '', path: '', oid: treeOid, mode: treeMode, kind: 'tree' };
  for (const segment of pathSegments(path)) {
    const lines = at.kind === 'tree' ? await context.objects.findTree(at.oid) : undefined;
    const line = lines === undefined ? undefined : findLine(lines, segment);
    if (line === undefined) return undefined;
    at = entryOf(line, at.path);
  }
  return at;
}

/** The exact bytes of a path below a tree, as far as there is something; the rest as UTF-8. */
export async function rawPath(
  context: Pick<ReadContext, 'objects'>,
  treeOid: Oid,
  path: string,
): Promise<Buffer> {
  const names: Buffer[] = [];
  let at: Oid | undefined = treeOid;
  for (const segment of pathSegments(path)) {
    const lines: readonly TreeLine[] | undefined =
      at === undefined ? undefined : await context.objects.findTree(at);
    const line: TreeLine | undefined = lines === undefined ? undefined : findLine(lines, segment);
    names.push(line?.rawName ?? Buffer.from(segment));
    at = line === undefined || kindOfMode(line.mode) !== 'tree' ? undefined : line.oid;
  }
  return Buffer.from(names.map((name) => name.toString('latin1')).join('/'), 'latin1');
}
