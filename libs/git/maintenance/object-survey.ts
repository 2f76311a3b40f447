import { open } from 'node:fs/promises';
import { type Disk, hasErrno, unlessMissing } from '../volume/disk.ts';

/** One pack of a repository, from its files' names and the head of its index. */
export interface PackFacts {
  /** `pack-<hash>`. */
  readonly name: string;
  readonly objects: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** It has a bitmap of its own (gitformat-bitmap): whatever it holds, it holds all that is reachable from it. */
  readonly hasBitmap: boolean;
  /** It holds unreachable objects, each with the time at which it was found so (gitformat-pack, "Cruft packs"). */
  readonly isCruft: boolean;
  /** Somebody wants it left alone: a `.keep` file, or a promisor remote's pack. */
  readonly isKept: boolean;
}

/** What the object directory of a repository holds now. */
export interface ObjectSurvey {
  /** The newest first. */
  readonly packs: readonly PackFacts[];
  readonly looseObjects: number;
  readonly hasMultiPackIndex: boolean;
  readonly hasMultiPackBitmap: boolean;
  /** Files in `objects/pack` that belong to no pack. */
  readonly strays: readonly string[];
}

const packFile = /^(pack-[0-9a-f]{40,64})\.([a-z]+)$/;
const looseFile = /^[0-9a-f]{38,62}$/;

/** Looks at the object directory; files that go away meanwhile are left out. */
export async function surveyObjects(disk: Disk, gitDir: string): Promise<ObjectSurvey> {
  const directory = `${gitDir}/objects/pack`;
  const names = ((await unlessMissing(disk.list(directory))) ?? []).map(({ name }) => name);
  const extensions = new Map<string, Set<string>>();
  for (const name of names) {
    const [, pack = '', extension = ''] = packFile.exec(name) ?? [];
    if (pack === '') continue;
    extensions.set(pack, (extensions.get(pack) ?? new Set()).add(extension));
  }
  const packs: PackFacts[] = [];
  const strays: string[] = [];
  for (const [name, has] of extensions) {
    const facts = has.has('pack') && has.has('idx') ? await packFacts(disk, directory, name, has) : undefined;
    if (facts !== undefined) packs.push(facts);
    else strays.push(...Array.from(has, (extension) => `${name}.${extension}`));
  }
  return {
    packs: packs.sort((one, other) => other.mtimeMs - one.mtimeMs),
    looseObjects: await countLoose(disk, gitDir),
    hasMultiPackIndex: names.includes('multi-pack-index'),
    hasMultiPackBitmap: names.some((name) => /^multi-pack-index-[0-9a-f]+\.bitmap$/.test(name)),
    strays,
  };
}

/** The packs of a repository by name, without a look into them. */
export async function surveyPackNames(
  disk: Disk,
  gitDir: string,
): Promise<readonly { readonly name: string; readonly isKept: boolean }[]> {
  const entries = (await unlessMissing(disk.list(`${gitDir}/objects/pack`))) ?? [];
  const names = new Set(entries.map(({ name }) => name));
  return entries.flatMap(({ name }) => {
    const [, pack = '', extension = ''] = packFile.exec(name) ?? [];
    return extension === 'pack' ? [{ name: pack, isKept: names.has(`${pack}.keep`) }] : [];
  });
}

async function packFacts(
  disk: Disk,
  directory: string,
  name: string,
  has: ReadonlySet<string>,
): Promise<PackFacts | undefined> {
  const stamp = await unlessMissing(disk.stamp(`${directory}/${name}.pack`));
  const objects = await countIndexed(`${directory}/${name}.idx`);
  if (stamp === undefined || objects === undefined) return undefined;
  const { sizeBytes, mtimeMs } = stamp;
  return {
    name,
    objects,
    sizeBytes,
    mtimeMs,
    hasBitmap: has.has('bitmap'),
    isCruft: has.has('mtimes'),
    isKept: has.has('keep') || has.has('promisor'),
  };
}

const fanoutEnd = 8 + 256 * 4;

/** The last entry of an index's fanout table (gitformat-pack, version 2): its number of objects. */
async function countIndexed(path: string): Promise<number | undefined> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(fanoutEnd), 0, fanoutEnd, 0);
    if (bytesRead < fanoutEnd) return undefined;
    // Version 1 has no header in front of the table.
    return buffer.readUInt32BE((buffer.readUInt32BE(0) === 0xff744f63 ? fanoutEnd : fanoutEnd - 8) - 4);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function countLoose(disk: Disk, gitDir: string): Promise<number> {
  let count = 0;
  for (const { name, kind } of (await unlessMissing(disk.list(`${gitDir}/objects`))) ?? []) {
    if (kind !== 'directory' || !/^[0-9a-f]{2}$/.test(name)) continue;
    const entries = (await unlessMissing(disk.list(`${gitDir}/objects/${name}`))) ?? [];
    count += entries.filter((entry) => looseFile.test(entry.name)).length;
  }
  return count;
}
