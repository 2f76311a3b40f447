import { utimes } from 'node:fs/promises';
import type { ObjectFormat } from '#base';
import type { RefSnapshot } from '#wire';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';
import { forEachBounded, unlessMissing } from '../volume/disk.ts';
import type { ObjectSurvey, PackFacts } from './object-survey.ts';
import { clonedRefs, RefView } from './ref-view.ts';

/** What one run of maintenance works on. */
export interface MaintenanceTask {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly signal: AbortSignal;
  /** Text for whoever watches, possibly with carriage returns. */
  readonly onProgress: (text: string) => void;
}

/** What a repack left: packs that are new, and packs whose objects are all in others now. */
export interface Repacked {
  readonly base: string | undefined;
  readonly written: readonly string[];
  readonly replaced: readonly string[];
}

/**
 * Writes new packs and removes none: the base pack, with a bitmap, holds exactly what branches and
 * tags reach; another what only other refs and reflogs reach; a cruft pack what nothing reaches,
 * unless it was found so longer ago than it is kept.
 */
export async function repackFully(
  storage: Storage,
  task: MaintenanceTask,
  snapshot: RefSnapshot,
  survey: ObjectSurvey,
  old: readonly PackFacts[],
): Promise<Repacked> {
  const { settings, clock } = storage;
  await foundNow(storage, task.gitDir, old);
  const refs = clonedRefs(snapshot);
  const base = await packBase(storage, task, refs);
  const rest = await writePack(storage, task, {
    what: 'what other refs and reflogs reach',
    args: ['--all', '--reflog'],
    input: lines(refs.length === 0 ? [] : ['--not', ...new Set(refs.map(({ oid }) => oid))]),
  });
  const fresh = [base, rest].filter((name) => name !== undefined);
  const kept = survey.packs.filter(({ isKept }) => isKept).map(({ name }) => name);
  const discarded = old.map(({ name }) => name).filter((name) => !fresh.includes(name));
  const expirySeconds = Math.floor((clock.nowMs() - settings.unreachableGraceMs) / 1000);
  const cruft = await writePack(storage, task, {
    what: 'what nothing reaches',
    args: ['--cruft', `--cruft-expiration=@${expirySeconds} +0000`],
    input: lines([
      ...[...fresh, ...kept].map((name) => `${name}.pack`),
      ...discarded.map((name) => `-${name}.pack`),
    ]),
  });
  const written = [...fresh, cruft].filter((name) => name !== undefined);
  return { base, written, replaced: discarded.filter((name) => !written.includes(name)) };
}

async function packBase(
  storage: Storage,
  task: MaintenanceTask,
  refs: ReturnType<typeof clonedRefs>,
): Promise<string | undefined> {
  await using view = await RefView.create(storage, task, refs);
  return await writePack(storage, task, {
    what: 'what branches and tags reach',
    args: ['--all', '--keep-true-parents', '--write-bitmap-index'],
    view,
  });
}

/** Writes one pack of these packs and all loose objects, whether something reaches them or not. */
export async function combinePacks(
  storage: Storage,
  task: MaintenanceTask,
  packs: readonly string[],
): Promise<Repacked> {
  const combined = await writePack(storage, task, {
    what: `${packs.length} packs and loose objects`,
    args: ['--stdin-packs', '--unpacked'],
    input: lines(packs.map((name) => `${name}.pack`)),
  });
  const written = combined === undefined ? [] : [combined];
  return { base: undefined, written, replaced: packs.filter((name) => !written.includes(name)) };
}

/**
 * Unreachable objects are kept from the time at which they were found to be so: git goes by the age
 * of the files that they are in, which may be as old as the repository.
 */
async function foundNow(
  { disk, clock }: Storage,
  gitDir: string,
  packs: readonly PackFacts[],
): Promise<void> {
  const now = new Date(clock.nowMs());
  const touch = async (path: string): Promise<void> => {
    await unlessMissing(utimes(path, now, now));
  };
  for (const { name, isCruft } of packs) {
    if (!isCruft) await touch(`${gitDir}/objects/pack/${name}.pack`);
  }
  for (const { name, kind } of await disk.list(`${gitDir}/objects`)) {
    if (kind !== 'directory' || !/^[0-9a-f]{2}$/.test(name)) continue;
    const entries = (await unlessMissing(disk.list(`${gitDir}/objects/${name}`))) ?? [];
    await forEachBounded(entries, 8, (entry) => touch(`${gitDir}/objects/${name}/${entry.name}`));
  }
}

interface PackOrder {
  readonly what: string;
  readonly args: readonly string[];
  readonly input?: ReturnType<typeof lines>;
  readonly view?: RefView;
}

/** Runs git-pack-objects into the repository's pack directory. Returns the pack's name, or undefined when there is nothing to pack. */
async function writePack(
  storage: Storage,
  task: MaintenanceTask,
  order: PackOrder,
): Promise<string | undefined> {
  const { gitDir, signal, onProgress } = task;
  onProgress(`Packing ${order.what}\n`);
  const result = await storage.git.run({
    gitDir: order.view?.gitDir ?? gitDir,
    environment: order.view?.environment ?? {},
    config: {
      'pack.threads': String(storage.settings.maintenanceThreads),
      'pack.packSizeLimit': '0',
      'pack.writeBitmapLookupTable': 'true',
    },
    args: [
      'pack-objects',
      '--progress',
      '--non-empty',
      '--delta-base-offset',
      ...order.args,
      `${gitDir}/objects/pack/pack`,
    ],
    ...(order.input !== undefined && { input: order.input }),
    onStderr: progressOf(onProgress),
    signal,
    background: true,
  });
  const hash = result.stdout.toString().trim();
  return hash === '' ? undefined : `pack-${hash}`;
}

export function progressOf(onProgress: (text: string) => void): (bytes: Buffer) => void {
  const decoder = new TextDecoder();
  return (bytes) => onProgress(decoder.decode(bytes, { stream: true }));
}

/**
 * Makes one index, with one bitmap, over these packs (gitformat-pack, "multi-pack-index"), so that
 * no lookup asks each of them; removes the index where there is one pack only.
 */
export async function indexPacks(
  storage: Storage,
  task: MaintenanceTask,
  packs: readonly string[],
  base: string | undefined,
): Promise<void> {
  if (packs.length < 2) {
    await removeMultiPackIndex(storage, task.gitDir);
    return;
  }
  task.onProgress(`Indexing ${packs.length} packs together\n`);
  await storage.git.run({
    gitDir: task.gitDir,
    args: [
      'multi-pack-index',
      'write',
      '--stdin-packs',
      '--no-progress',
      // Without a base there may be history that is in none of these packs, such as in loose objects.
      ...(base === undefined ? [] : ['--bitmap', `--preferred-pack=${base}.pack`]),
    ],
    input: lines(packs.map((name) => `${name}.idx`)),
    signal: task.signal,
    background: true,
  });
}

async function removeMultiPackIndex({ disk }: Storage, gitDir: string): Promise<void> {
  const directory = `${gitDir}/objects/pack`;
  for (const { name } of await disk.list(directory)) {
    if (/^multi-pack-index(?:-[0-9a-f]+\.(?:bitmap|rev))?$/.test(name)) {
      await unlessMissing(disk.unlink(`${directory}/${name}`));
    }
  }
}
