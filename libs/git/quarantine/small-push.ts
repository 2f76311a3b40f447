import { type ByteStream, type ObjectFormat, type Oid, PackhorseError, type Settings } from '#base';
import type { ObjectReader } from '../object-reader.ts';
import type { RawObject } from '../objects/raw.ts';
import type { MemoryLease } from '../process/memory-budget.ts';
import { refuseCollisions } from './collisions.ts';
import { PackScanner } from './pack-scanner.ts';
import { PackWalk } from './pack-walk.ts';
import { buildSmallPack, type SmallPack } from './small-pack.ts';

/**
 * In objects of so many bytes together collision attacks are looked for here, which takes the event
 * loop some 15 ms for each megabyte; git, which is faster at that, searches larger pushes.
 */
const maxSearchedBytes = 256 * 1024;

/** What is needed to take a pack in without git. */
export interface SmallPushRules {
  readonly objectFormat: ObjectFormat;
  readonly objects: ObjectReader;
  readonly settings: Pick<Settings['git'], 'smallPackBytes' | 'smallPackObjects' | 'smallPackInflatedBytes'>;
  readonly maxPackBytes: number;
  readonly memory: MemoryLease;
  /** Aborted when the client is gone; a chunk is then not waited for any more. */
  readonly signal: AbortSignal;
  /** Objects must be well-formed, and what they name must exist. */
  readonly fsck: boolean;
  /** What the repository has went through that already. */
  readonly trustsContents: boolean;
}

/**
 * Reads a pack into memory and examines it there. What comes back instead, when it is too large or
 * not plainly right, is the whole stream again: for git to index, or to say what is wrong.
 */
export async function takeSmallPack(
  stream: ByteStream,
  rules: SmallPushRules,
): Promise<{ readonly small: SmallPack } | { readonly stream: ByteStream }> {
  const { objectFormat, settings, memory } = rules;
  const scanner = new PackScanner(objectFormat, {
    maxBytes: Math.min(settings.smallPackBytes, rules.maxPackBytes),
    maxObjects: settings.smallPackObjects,
    maxInflatedBytes: settings.smallPackInflatedBytes,
  });
  const source = stream[Symbol.asyncIterator]();
  using aborted = rejectedOnAbort(rules.signal);
  for (;;) {
    const next = await Promise.race([source.next(), aborted.promise]);
    if (next.done === true) break;
    const state = scanner.feed(next.value);
    if (state === 'more' && memory.hold(scanner.heldBytes)) continue;
    // As much again for what deltas make, and for the finished pack.
    if (state !== 'complete' || !memory.hold(2 * scanner.heldBytes)) break;
    const small = await examined(scanner, rules);
    if (small !== undefined) return { small };
    break;
  }
  memory.hold(0);
  return { stream: replayed(scanner.bytes, source) };
}

function rejectedOnAbort(signal: AbortSignal): { readonly promise: Promise<never> } & Disposable {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new PackhorseError('cancelled', 'The operation was cancelled.'));
  promise.catch(() => undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return { promise, [Symbol.dispose]: () => signal.removeEventListener('abort', onAbort) };
}

async function* replayed(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield head;
  for (;;) {
    const next = await rest.next();
    if (next.done === true) return;
    yield next.value;
  }
}

async function examined(scanner: PackScanner, rules: SmallPushRules): Promise<SmallPack | undefined> {
  const { objectFormat, objects, settings } = rules;
  const small = await buildSmallPack(scanner, {
    objectFormat,
    read: (oid) => objects.read(oid),
    maxInflatedBytes: settings.smallPackInflatedBytes,
  });
  if (small === undefined) return undefined;
  if (objectFormat === 'sha1') {
    if (contentBytes(small.objects) > maxSearchedBytes) return undefined;
    refuseCollisions(small.objects);
  }
  if (!(await isSameAsKnown(small.objects, objects))) return undefined;
  return !rules.fsck || (await isSound(small.objects, rules)) ? small : undefined;
}

function contentBytes(objects: ReadonlyMap<Oid, RawObject>): number {
  let sum = 0;
  for (const { bytes } of objects.values()) sum += bytes.length;
  return sum;
}

/** False when an object has the id of another one with other content: what git calls a collision. */
async function isSameAsKnown(pack: ReadonlyMap<Oid, RawObject>, objects: ObjectReader): Promise<boolean> {
  for (const oid of await objects.existing([...pack.keys()])) {
    const [ours, theirs] = [pack.get(oid), await objects.read(oid)];
    if (ours === undefined || theirs === undefined) continue;
    if (ours.kind !== theirs.kind || !ours.bytes.equals(theirs.bytes)) return false;
  }
  return true;
}

/** As git-index-pack `--strict`: every object is well-formed and everything that it names exists. */
async function isSound(pack: ReadonlyMap<Oid, RawObject>, rules: SmallPushRules): Promise<boolean> {
  const { objectFormat, objects, trustsContents } = rules;
  const walk = new PackWalk(pack, {
    objectFormat,
    objects,
    trustsExisting: true,
    wellFormed: true,
    trustsContents,
    isTip: () => false,
  });
  // The last is visited first: trees are best met below their commits, beside those of the parents.
  const rank = { blob: 0, tree: 1, tag: 2, commit: 3 } as const;
  const ordered = [...pack].sort(([, one], [, other]) => rank[one.kind] - rank[other.kind]);
  return await walk.reaches(ordered.map(([oid]) => oid));
}
