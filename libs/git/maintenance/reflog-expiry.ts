import { type Random, randomId } from '#base';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';
import { type Disk, unlessMissing, writeNewFile } from '../volume/disk.ts';

/** One line of a reflog, as far as its age and what it leads to matter here. */
export interface ReflogEntry {
  readonly line: string;
  readonly newOid: string;
  readonly atSeconds: number;
}

/** Understands the lines of a reflog (git-update-ref(1), "LOGGING UPDATES"); a line that makes no sense counts as new. */
export function parseReflog(text: string): readonly ReflogEntry[] {
  return text.split(/(?<=\n)/).map((line) => {
    const match = /^[0-9a-f]{40,64} ([0-9a-f]{40,64}) [^\t\n]*> (\d+) [+-]\d+/.exec(line);
    return match === null
      ? { line, newOid: '', atSeconds: Number.POSITIVE_INFINITY }
      : { line, newOid: match[1] ?? '', atSeconds: Number(match[2]) };
  });
}

export interface ReflogGrace {
  /** Entries before this are forgotten. */
  readonly beforeSeconds: number;
  /** Entries before this are forgotten when no ref reaches what they name. */
  readonly unreachableBeforeSeconds: number;
}

/** The entries that stay. */
export function keptEntries(
  entries: readonly ReflogEntry[],
  grace: ReflogGrace,
  unreachable: ReadonlySet<string>,
): readonly ReflogEntry[] {
  return entries.filter(
    ({ atSeconds, newOid }) =>
      atSeconds >= grace.beforeSeconds &&
      (atSeconds >= grace.unreachableBeforeSeconds || !unreachable.has(newOid)),
  );
}

/**
 * Forgets reflog entries that are old enough. Which are unreachable is found out beforehand;
 * `exclusively` then keeps everybody else from the reflogs while they are written. Returns how many
 * entries went.
 */
export async function expireReflogs(
  storage: Storage,
  gitDir: string,
  signal: AbortSignal,
  exclusively: (work: () => Promise<void>) => Promise<void>,
): Promise<number> {
  const { disk, clock, settings } = storage;
  const nowSeconds = clock.nowMs() / 1000;
  const grace = {
    beforeSeconds: nowSeconds - settings.reflogGraceMs / 1000,
    unreachableBeforeSeconds: nowSeconds - settings.reflogUnreachableGraceMs / 1000,
  };
  const aged = new Map<string, readonly ReflogEntry[]>();
  for await (const path of filesBelow(disk, `${gitDir}/logs`)) {
    const entries = parseReflog((await unlessMissing(disk.read(path)))?.toString() ?? '');
    const old = entries.filter(({ atSeconds }) => atSeconds < grace.unreachableBeforeSeconds);
    if (old.length > 0) aged.set(path, old);
  }
  if (aged.size === 0) return 0;
  const oids = [...new Set([...aged.values()].flat().map(({ newOid }) => newOid))];
  const unreachable = await unreachableOf(storage, gitDir, oids, signal);
  let forgotten = 0;
  await exclusively(async () => {
    for (const path of aged.keys()) forgotten += await rewrite(storage, path, grace, unreachable);
  });
  return forgotten;
}

async function* filesBelow(disk: Disk, directory: string): AsyncGenerator<string, void, undefined> {
  for (const { name, kind } of (await unlessMissing(disk.list(directory))) ?? []) {
    if (kind === 'directory') yield* filesBelow(disk, `${directory}/${name}`);
    else if (kind === 'file' && !name.endsWith('.lock')) yield `${directory}/${name}`;
  }
}

/** Those of `oids` that no ref reaches; what is not there or no commit counts as unreachable. */
async function unreachableOf(
  storage: Storage,
  gitDir: string,
  oids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const checked = await storage.git.run({
    gitDir,
    args: ['cat-file', '--batch-check=%(objectname) %(objecttype)'],
    input: lines(oids),
    signal,
    background: true,
  });
  const commits = new Set(checked.stdout.toString().match(/^[0-9a-f]+(?= commit$)/gm) ?? []);
  const listed = await storage.git.run({
    gitDir,
    args: ['rev-list', '--stdin', '--not', '--all'],
    input: lines([...commits]),
    signal,
    background: true,
  });
  const unreached = new Set(listed.stdout.toString().split('\n'));
  return new Set(oids.filter((oid) => !commits.has(oid) || unreached.has(oid)));
}

/** Reads the log again, for it may have grown, and replaces it by what stays. */
async function rewrite(
  { disk, random }: { readonly disk: Disk; readonly random: Random },
  path: string,
  grace: ReflogGrace,
  unreachable: ReadonlySet<string>,
): Promise<number> {
  const text = await unlessMissing(disk.read(path));
  if (text === undefined) return 0;
  const entries = parseReflog(text.toString());
  const kept = keptEntries(entries, grace, unreachable);
  if (kept.length === entries.length) return 0;
  const next = `${path}.${randomId(random)}.lock`;
  try {
    await writeNewFile(disk, next, Buffer.from(kept.map(({ line }) => line).join('')));
    await disk.rename(next, path);
  } catch (error) {
    await disk.removeTree(next).catch(() => undefined);
    throw error;
  }
  return entries.length - kept.length;
}
