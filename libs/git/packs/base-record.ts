import type { ObjectFormat, Oid } from '#base';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';
import type { RawObject } from '../objects/raw.ts';
import type { BasePack } from './base-pack.ts';
import { type BeyondSource, BeyondWalk } from './beyond-walk.ts';
import { listObjects } from './object-list.ts';
import { PackIndexFile } from './pack-index-file.ts';

/**
 * What is known of a base pack: everything in it is reachable from `tips`, and what is reachable
 * from them besides is `rest`. So whoever may have all of `tips` may have the whole pack.
 */
export interface BaseRecord {
  readonly pack: BasePack;
  readonly count: number;
  readonly tips: ReadonlySet<Oid>;
  /** Objects outside the pack, one `<oid>` or `<oid> <path>` each. */
  readonly rest: readonly string[];
}

/** Objects outside a base pack beyond which it is no base. */
const maxRestObjects = 500_000;

/**
 * Finds out whether everything in `pack` is reachable from `wants`; undefined when it is not, or
 * when most of what is reachable is elsewhere. Walks all of history where there is no bitmap.
 */
export async function examineBase(
  storage: Storage,
  gitDir: string,
  format: ObjectFormat,
  pack: BasePack,
  wants: readonly Oid[],
): Promise<BaseRecord | undefined> {
  await using index = await PackIndexFile.open(pack.indexPath, format);
  const { count } = index;
  const isInPack = await index.has(wants);
  const inside = wants.filter((_, at) => isInPack[at]);
  // A closed pack has everything that its tips reach, so it is enough to count.
  if (pack.isClosed && inside.length > 0 && (await countReachable(storage, gitDir, inside)) === count) {
    return { pack, count, tips: new Set(inside), rest: [] };
  }
  const rest: string[] = [];
  let found = 0;
  const options = pack.hasBitmap ? ['--use-bitmap-index'] : [];
  for await (const batch of listObjects(storage, gitDir, options, wants)) {
    const isKnown = await index.has(batch.map(oidOf));
    batch.forEach((line, at) => (isKnown[at] === true ? (found += 1) : rest.push(line)));
    if (rest.length > Math.min(count, maxRestObjects)) return undefined;
  }
  return found === count ? { pack, count, tips: new Set(wants), rest } : undefined;
}

/** What is beyond a base: the objects themselves where they are few, or their names. */
export type ObjectsBeyond =
  | { readonly objects: readonly RawObject[] }
  | { readonly listed: readonly string[]; readonly edges: readonly string[] };

/**
 * What is reachable from `wants` but not in the pack of `record`, all of whose tips `wants` must reach,
 * each object once. What is more than `limits` is listed by git.
 */
export async function objectsBeyond(
  storage: Storage,
  source: Pick<BeyondSource, 'objectFormat' | 'read'> & { readonly gitDir: string },
  record: BaseRecord,
  wants: readonly Oid[],
): Promise<ObjectsBeyond> {
  const further = wants.filter((oid) => !record.tips.has(oid));
  if (further.length === 0 && record.rest.length === 0) return { objects: [] };
  await using index = await PackIndexFile.open(record.pack.indexPath, source.objectFormat);
  const rest = new Set(record.rest.map(oidOf));
  const { composeMaxObjects: maxObjects, composeMaxBytes: maxBytes } = storage.settings;
  const outside = async (oids: readonly Oid[]): Promise<readonly Oid[]> => {
    const isInPack = await index.has(oids);
    return oids.filter((oid, at) => isInPack[at] !== true && !rest.has(oid));
  };
  const walk = new BeyondWalk({ ...source, outside }, { maxObjects, maxBytes });
  const objects = await walk.collect(further, [...rest]);
  return objects === undefined
    ? await listBeyond(storage, source.gitDir, record, index, further)
    : { objects };
}

/**
 * The same, as `git pack-objects` reads it, and commits whose trees are good to make deltas against,
 * marked with `-`.
 */
async function listBeyond(
  storage: Storage,
  gitDir: string,
  record: BaseRecord,
  index: PackIndexFile,
  further: readonly Oid[],
): Promise<ObjectsBeyond> {
  const beyond = new Map(record.rest.map((line) => [oidOf(line), line]));
  const edges: string[] = [];
  if (further.length > 0) {
    const revisions = [...further, ...[...record.tips].map((oid) => `^${oid}`)];
    for await (const batch of listObjects(storage, gitDir, ['--objects-edge'], revisions)) {
      const listed = batch.filter((line) => !line.startsWith('-'));
      edges.push(...batch.filter((line) => line.startsWith('-')));
      const isKnown = await index.has(listed.map(oidOf));
      listed.forEach((line, at) => isKnown[at] !== true && beyond.set(oidOf(line), line));
    }
  }
  // Git leaves out what it may make deltas against, which then must not be among the objects.
  return { listed: [...beyond.values()], edges: record.rest.length === 0 ? edges : [] };
}

function oidOf(line: string): Oid {
  const space = line.indexOf(' ');
  return space < 0 ? line : line.slice(0, space);
}

async function countReachable(storage: Storage, gitDir: string, tips: readonly Oid[]): Promise<number> {
  const result = await storage.git.run({
    gitDir,
    args: ['rev-list', '--count', '--objects', '--use-bitmap-index', '--stdin'],
    input: lines(tips),
  });
  return Number(result.stdout.toString());
}
