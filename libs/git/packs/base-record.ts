import type { ObjectFormat, Oid } from '#base';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';
import type { BasePack } from './base-pack.ts';
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

/**
 * What is reachable from `wants` but not in the pack of `record`, all of whose tips `wants` must
 * reach: the objects once each, as `git pack-objects` reads them, and commits whose trees are good to
 * make deltas against, marked with `-`.
 */
export async function objectsBeyond(
  storage: Storage,
  gitDir: string,
  format: ObjectFormat,
  record: BaseRecord,
  wants: readonly Oid[],
): Promise<{ readonly objects: readonly string[]; readonly edges: readonly string[] }> {
  const beyond = new Map(record.rest.map((line) => [oidOf(line), line]));
  const edges: string[] = [];
  const further = wants.filter((oid) => !record.tips.has(oid));
  if (further.length > 0) {
    await using index = await PackIndexFile.open(record.pack.indexPath, format);
    const revisions = [...further, ...[...record.tips].map((oid) => `^${oid}`)];
    for await (const batch of listObjects(storage, gitDir, ['--objects-edge'], revisions)) {
      const listed = batch.filter((line) => !line.startsWith('-'));
      edges.push(...batch.filter((line) => line.startsWith('-')));
      const isKnown = await index.has(listed.map(oidOf));
      listed.forEach((line, at) => isKnown[at] !== true && beyond.set(oidOf(line), line));
    }
  }
  // Git leaves out what it may make deltas against, which then must not be among the objects.
  return { objects: [...beyond.values()], edges: record.rest.length === 0 ? edges : [] };
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
