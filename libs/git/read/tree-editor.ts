import { type ObjectFormat, type Oid, PackhorseError } from '#base';
import { encodeTree, type NewObject, newObject } from '../objects/encode.ts';
import type { RepositoryObjects } from '../objects/repository-objects.ts';
import { findLine, kindOfMode, type TreeLine } from '../objects/tree-object.ts';
import type { FileChange } from '../reader.ts';

const directoryMode = 0o040000;
const fileMode = 0o100644;
const executableMode = 0o100755;

/** Changes below one directory: to a file in it, or below one of its directories. */
interface Changes {
  readonly files: Map<string, FileChange>;
  readonly directories: Map<string, Changes>;
}

/**
 * Makes the tree that differs from `base` (undefined: from nothing) by `changes`. Returns its id
 * and the trees and blobs that are new. Throws `invalid_argument` for a path that cannot be, for two
 * changes that exclude each other, and for deleting what is not there.
 */
export async function editTree(
  objects: Pick<RepositoryObjects, 'findTree' | 'objectFormat'>,
  base: Oid | undefined,
  changes: readonly FileChange[],
): Promise<{ readonly treeOid: Oid; readonly created: readonly NewObject[] }> {
  const created = new Map<Oid, NewObject>();
  const edited = await editDirectory(objects, base, group(changes), created);
  const root = edited ?? addTree([], objects.objectFormat, created);
  return { treeOid: root, created: [...created.values()] };
}

function group(changes: readonly FileChange[]): Changes {
  const root: Changes = { files: new Map(), directories: new Map() };
  for (const change of changes) {
    const segments = checkedSegments(change.path);
    const name = segments.pop() ?? '';
    let at = root;
    for (const segment of segments) {
      const below = at.directories.get(segment) ?? { files: new Map(), directories: new Map() };
      at.directories.set(segment, below);
      at = below;
    }
    if (at.files.has(name)) throw refused('A file can be changed only once in a commit.', change.path);
    at.files.set(name, change);
  }
  return root;
}

/** Names that git would refuse to check out (git's verify_path), and worse. */
function checkedSegments(path: string): string[] {
  const segments = path.split('/');
  const isBad = (segment: string): boolean =>
    segment === '' ||
    segment === '.' ||
    segment === '..' ||
    segment.toLowerCase() === '.git' ||
    segment.includes('\0');
  if (segments.some(isBad)) throw refused('This path cannot be used in a repository.', path);
  return segments;
}

function refused(message: string, path: string): PackhorseError {
  return new PackhorseError('invalid_argument', message, { metadata: { path } });
}

/** The id of the changed directory; undefined when nothing is left in it. */
async function editDirectory(
  objects: Pick<RepositoryObjects, 'findTree' | 'objectFormat'>,
  oid: Oid | undefined,
  changes: Changes,
  created: Map<Oid, NewObject>,
): Promise<Oid | undefined> {
  const before = oid === undefined ? [] : ((await objects.findTree(oid)) ?? []);
  const lines = new Set(before);
  for (const [name, change] of changes.files) {
    const present = findLine(before, name);
    const isFile = present !== undefined && kindOfMode(present.mode) !== 'tree';
    if (change.content === undefined && !isFile)
      throw refused('There is no such file to delete.', change.path);
    if (present !== undefined) lines.delete(present);
    if (change.content === undefined) continue;
    const blob = newObject('blob', change.content, objects.objectFormat);
    created.set(blob.oid, blob);
    lines.add({
      ...nameOf(present, name),
      mode: modeOf(change, isFile ? present : undefined),
      oid: blob.oid,
    });
  }
  for (const [name, below] of changes.directories) {
    if (changes.files.get(name)?.content !== undefined)
      throw refused('A path cannot be both a file and a directory.', name);
    const present = findLine(before, name);
    const isDirectory = present !== undefined && kindOfMode(present.mode) === 'tree';
    const edited = await editDirectory(objects, isDirectory ? present.oid : undefined, below, created);
    if (present !== undefined) lines.delete(present);
    if (edited !== undefined) lines.add({ ...nameOf(present, name), mode: directoryMode, oid: edited });
  }
  return lines.size === 0 ? undefined : addTree([...lines], objects.objectFormat, created);
}

function nameOf(present: TreeLine | undefined, name: string): Pick<TreeLine, 'name' | 'rawName'> {
  return present?.rawName === undefined ? { name } : { name, rawName: present.rawName };
}

/** What a change says, else as the file was: a symbolic link stays one, a submodule becomes a file. */
function modeOf(change: FileChange, present: TreeLine | undefined): number {
  if (change.executable !== undefined) return change.executable ? executableMode : fileMode;
  if (present === undefined || kindOfMode(present.mode) === 'submodule') return fileMode;
  return present.mode;
}

function addTree(lines: readonly TreeLine[], format: ObjectFormat, created: Map<Oid, NewObject>): Oid {
  const tree = newObject('tree', encodeTree(lines), format);
  created.set(tree.oid, tree);
  return tree.oid;
}
