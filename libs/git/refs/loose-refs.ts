import { type ObjectFormat, type Oid, isOid } from '#base';
import { type Disk, type FileStamp, forEachBounded, unlessMissing } from '../volume/disk.ts';
import { isUnchanged, type SeenFile, type SeenPath } from '../volume/seen-file.ts';

/** What one ref file says: an object, another ref, or nothing that can be understood. */
export type RefValue =
  | { readonly kind: 'oid'; readonly oid: Oid }
  | { readonly kind: 'symref'; readonly target: string }
  | { readonly kind: 'broken' };

/** The content of a loose ref or of HEAD (gitrepository-layout). */
export function parseRefValue(text: string, format: ObjectFormat): RefValue {
  if (text.startsWith('ref:')) {
    const target = text.slice('ref:'.length).trim();
    return target === '' ? { kind: 'broken' } : { kind: 'symref', target };
  }
  // Like git, anything may follow an object id after white space.
  const oid = /^[0-9a-f]+(?=\s|$)/.exec(text)?.[0] ?? '';
  return isOid(oid, format) ? { kind: 'oid', oid } : { kind: 'broken' };
}

/** Both were there when they were read. */
interface Remembered extends SeenFile {
  readonly stamp: FileStamp;
}

export interface LooseFile extends Remembered {
  readonly value: RefValue;
}

export interface LooseDirectory extends Remembered {
  readonly files: ReadonlyMap<string, LooseFile>;
  readonly directories: ReadonlyMap<string, LooseDirectory>;
}

const statConcurrency = 16;

export interface LooseReader {
  readonly disk: Disk;
  readonly format: ObjectFormat;
  readonly nowMs: () => number;
}

/** Reads one ref file, or keeps `previous` when it did not change; undefined when it is not there. */
export async function readLooseFile(
  reader: LooseReader,
  path: string,
  previous?: LooseFile,
): Promise<LooseFile | undefined> {
  const readAtMs = reader.nowMs();
  const stamp = await unlessMissing(reader.disk.stamp(path));
  if (stamp === undefined || stamp.kind === 'directory') return undefined;
  if (previous !== undefined && isUnchanged(previous, stamp)) return previous;
  if (stamp.kind === 'symlink') {
    const target = await unlessMissing(reader.disk.readLink(path));
    if (target?.startsWith('refs/') === true) return { stamp, readAtMs, value: { kind: 'symref', target } };
  }
  const bytes = await unlessMissing(reader.disk.read(path));
  if (bytes === undefined) return undefined;
  const value = parseRefValue(bytes.toString('utf8'), reader.format);
  // The same object again lets callers see by identity that nothing changed.
  const same = previous !== undefined && JSON.stringify(previous.value) === JSON.stringify(value);
  return { stamp, readAtMs, value: same ? previous.value : value };
}

/**
 * Reads a directory of refs and all below it, going by stat alone where nothing changed since
 * `previous`; undefined when it is not there.
 */
export async function readLooseDirectory(
  reader: LooseReader,
  path: string,
  previous?: LooseDirectory,
): Promise<LooseDirectory | undefined> {
  const readAtMs = reader.nowMs();
  const stamp = await unlessMissing(reader.disk.stamp(path));
  if (stamp === undefined) return undefined;
  const kept = previous !== undefined && isUnchanged(previous, stamp) ? previous : undefined;
  const files = new Map<string, LooseFile>();
  const directories = new Map<string, LooseDirectory>();
  const names = kept === undefined ? await listNames(reader.disk, path) : namesOf(kept);
  await forEachBounded(names.directories, 1, async (name) => {
    const below = await readLooseDirectory(reader, `${path}/${name}`, previous?.directories.get(name));
    if (below !== undefined) directories.set(name, below);
  });
  await forEachBounded(names.files, statConcurrency, async (name) => {
    const file = await readLooseFile(reader, `${path}/${name}`, previous?.files.get(name));
    if (file !== undefined) files.set(name, file);
  });
  return { stamp, readAtMs: kept?.readAtMs ?? readAtMs, files, directories };
}

interface Names {
  readonly files: Iterable<string>;
  readonly directories: Iterable<string>;
}

function namesOf(directory: LooseDirectory): Names {
  return { files: directory.files.keys(), directories: directory.directories.keys() };
}

async function listNames(disk: Disk, path: string): Promise<Names> {
  const entries = (await unlessMissing(disk.list(path))) ?? [];
  const usable = entries.filter((entry) => !entry.name.startsWith('.') && !entry.name.endsWith('.lock'));
  return {
    files: usable
      .filter((entry) => entry.kind === 'file' || entry.kind === 'symlink')
      .map((entry) => entry.name),
    directories: usable.filter((entry) => entry.kind === 'directory').map((entry) => entry.name),
  };
}

/** All loose refs below `directory`, by full name. */
export function* looseValues(
  directory: LooseDirectory,
  prefix: string,
): Generator<readonly [name: string, value: RefValue], void, undefined> {
  for (const [name, file] of directory.files) yield [`${prefix}/${name}`, file.value];
  for (const [name, below] of directory.directories) yield* looseValues(below, `${prefix}/${name}`);
}

/** What a directory at `path` and all below it were read from. */
export function* seenPaths(directory: LooseDirectory, path: string): Generator<SeenPath, void, undefined> {
  yield { path, seen: directory };
  for (const [name, file] of directory.files) yield { path: `${path}/${name}`, seen: file };
  for (const [name, below] of directory.directories) yield* seenPaths(below, `${path}/${name}`);
}
