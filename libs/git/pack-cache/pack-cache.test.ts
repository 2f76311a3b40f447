import assert from 'node:assert/strict';
import { existsSync, readdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  hasCode,
  ManualClock,
  PackhorseError,
  readSettings,
  type Settings,
  silentLog,
  systemRandom,
} from '#base';
import type { Disk } from '#git';
import { systemDisk } from '#git';
import type { PackPart, PackRequest } from '#wire';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';
import { PackCache } from './pack-cache.ts';
import { packKey } from './pack-key.ts';

const never = new AbortController().signal;
const key = (name: string, repository = 'repository'): string =>
  packKey(repository, 'sha1', { ...emptyRequest, wants: [name] }, []);

const emptyRequest: PackRequest = {
  wants: [],
  haves: [],
  clientShallows: [],
  newShallows: [],
  unshallows: [],
  thinPack: false,
  ofsDelta: true,
  includeTag: false,
  progress: false,
};

interface Scene {
  readonly path: string;
  readonly clock: ManualClock;
  readonly cache: PackCache;
}

function scene(
  settings: Partial<Settings['git']> = {},
  {
    path = join(temporaryDirectory('cache'), 'packs'),
    disk = systemDisk,
  }: { path?: string; disk?: Disk } = {},
): Scene {
  const clock = new ManualClock(1_700_000_000_000);
  const defaults = { ...readSettings().git, packCacheMinFreeBytes: 0 };
  const cache = new PackCache({
    path,
    settings: { ...defaults, ...settings },
    disk,
    clock,
    random: systemRandom,
    log: silentLog,
  });
  return { path, clock, cache };
}

/** A producer that a test leads: it counts its runs and gives what it is given. */
class Producer {
  runs = 0;
  readonly signals: AbortSignal[] = [];
  readonly #parts: PackPart[] = [];
  #end: 'open' | 'ended' | { readonly error: Error } = 'open';
  #wake: () => void = () => undefined;

  give(bytes: Uint8Array): void {
    this.#parts.push({ kind: 'data', bytes });
    this.#wake();
  }

  end(error?: Error): void {
    this.#end = error === undefined ? 'ended' : { error };
    this.#wake();
  }

  readonly produce = async function* (this: Producer, signal: AbortSignal): AsyncGenerator<PackPart> {
    this.runs += 1;
    this.signals.push(signal);
    signal.addEventListener('abort', () => this.#wake());
    for (let index = 0; ;) {
      const part = this.#parts[index];
      if (signal.aborted) throw signal.reason as Error;
      if (part !== undefined) {
        index += 1;
        yield part;
      } else if (this.#end === 'ended') return;
      else if (this.#end !== 'open') throw this.#end.error;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }.bind(this);
}

function producing(...chunks: readonly Uint8Array[]): Producer {
  const producer = new Producer();
  for (const chunk of chunks) producer.give(chunk);
  producer.end();
  return producer;
}

/** Bytes that say where they are, so that nothing can be out of place unnoticed. */
function numbered(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let offset = 0; offset + 4 <= sizeBytes; offset += 4) bytes.writeUInt32BE(offset, offset);
  return bytes;
}

async function read(
  cache: PackCache,
  producer: Producer,
  {
    name = 'a',
    admission = 'first',
    progress = false,
    signal = never,
  }: { name?: string; admission?: 'first' | 'second'; progress?: boolean; signal?: AbortSignal } = {},
): Promise<{ readonly bytes: Buffer; readonly progress: string }> {
  const chunks: Uint8Array[] = [];
  let text = '';
  const request = { key: key(name), admission, progress, produce: producer.produce };
  for await (const part of cache.serve(request, signal)) {
    if (part.kind === 'data') chunks.push(Buffer.from(part.bytes));
    else text += Buffer.from(part.bytes).toString();
    part.release?.();
  }
  return { bytes: Buffer.concat(chunks), progress: text };
}

const storedFiles = (path: string): string[] => readdirSync(path).filter((name) => /\.\d+$/.test(name));
const kept = (path: string, count: number): Promise<void> =>
  waitUntil(`${count} stored packs`, () => existsSync(path) && storedFiles(path).length === count);

test('the same request gets the same bytes without a producer, also from a server that starts later', async () => {
  const { cache, path } = scene();
  const pack = numbered(1_500_000);
  const producer = producing(pack.subarray(0, 7), pack.subarray(7));
  assert.deepEqual((await read(cache, producer)).bytes, pack);
  await kept(path, 1);
  const again = await read(cache, producer, { progress: true });
  assert.deepEqual(again.bytes, pack);
  assert.match(again.progress, /^Total \d+ \(from the pack cache\)\n$/);
  assert.equal(producer.runs, 1);
  await cache.close();
  const later = scene({}, { path });
  assert.deepEqual((await read(later.cache, producer)).bytes, pack);
  assert.deepEqual([producer.runs, later.cache.counts.hits], [1, 1]);
  await later.cache.close();
});

test('requests that overlap share one producer, and each reads at its own pace', async () => {
  const { cache, path } = scene();
  const pack = numbered(3_000_000);
  const producer = new Producer();
  const readers = Array.from({ length: 8 }, () => read(cache, producer));
  // One more that takes the first part and then nothing until all is over.
  const slow = cache.serve(
    { key: key('a'), admission: 'first', progress: false, produce: producer.produce },
    never,
  );
  producer.give(pack.subarray(0, 1000));
  const first = await slow.next();
  producer.give(pack.subarray(1000));
  producer.end();
  for (const { bytes } of await Promise.all(readers)) assert.deepEqual(bytes, pack);
  await kept(path, 1);
  assert.equal(producer.runs, 1);
  assert.deepEqual([cache.counts.misses, cache.counts.shared], [1, 8]);
  assert.ok(first.done !== true);
  const rest = [Buffer.from(first.value.bytes)];
  for await (const part of slow) rest.push(Buffer.from(part.bytes));
  assert.deepEqual(Buffer.concat(rest), pack);
  await cache.close();
});

test('a fetch that is seldom asked twice is kept when it is', async () => {
  const { cache, clock, path } = scene({ packCacheWindowMs: 1000 });
  const producer = producing(numbered(10));
  await read(cache, producer, { admission: 'second' });
  clock.advance(1001);
  await read(cache, producer, { admission: 'second' });
  assert.deepEqual([producer.runs, cache.counts.bypassed], [2, 2]);
  await read(cache, producer, { admission: 'second' });
  await kept(path, 1);
  await read(cache, producer, { admission: 'second' });
  assert.deepEqual([producer.runs, cache.counts.hits], [3, 1]);
  await cache.close();
});

test('a producer that fails ends in its error for everybody, and is never kept', async () => {
  const { cache, path } = scene();
  const failing = new Producer();
  const leader = read(cache, failing);
  const follower = read(cache, failing);
  failing.give(numbered(100_000));
  // Both have some of it before it fails.
  await waitUntil('bytes in the file', () => cache.counts.sizeBytes > 0);
  failing.end(new PackhorseError('internal', 'The producer broke.'));
  for (const reader of [leader, follower]) {
    await assert.rejects(reader, (error) => hasCode(error, 'internal'));
  }
  await cache.close();
  assert.deepEqual(readdirSync(path), ['lock']);
});

test('who joined a producer that fails before its first byte gets another one', async () => {
  const { cache } = scene();
  const failing = new Producer();
  const fine = producing(numbered(10));
  const leader = read(cache, failing);
  await waitUntil('the producer', () => failing.runs === 1);
  const follower = read(cache, fine);
  await waitUntil('the follower', () => cache.counts.shared === 1);
  failing.end(new PackhorseError('unavailable', 'Too many.'));
  await assert.rejects(leader, (error) => hasCode(error, 'unavailable'));
  assert.deepEqual((await follower).bytes, numbered(10));
  await cache.close();
});

test('a producer that nobody waits for is stopped after a while, unless somebody comes back', async () => {
  const { cache, clock, path } = scene({ packCacheAbandonMs: 5000 });
  const producer = new Producer();
  const leave = async (): Promise<void> => {
    const leaving = new AbortController();
    const reader = read(cache, producer, { signal: leaving.signal });
    await waitUntil('the producer', () => producer.runs > 0);
    // The reader has to be in its place before it leaves it.
    await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    await assert.rejects(reader, (error) => hasCode(error, 'cancelled'));
  };
  await leave();
  clock.advance(4999);
  await leave();
  clock.advance(4999);
  assert.equal(producer.signals[0]?.aborted, false);
  clock.advance(1);
  assert.equal(producer.signals[0]?.aborted, true);
  await cache.close();
  assert.deepEqual([producer.runs, readdirSync(path)], [1, ['lock']]);
});

test('the least recently used packs go when the budget is exceeded, also one that is being read', async () => {
  const { cache, path, clock } = scene({ packCacheBytes: 2_500_000 });
  const pack = numbered(1_000_000);
  const producer = producing(pack);
  for (const name of ['a', 'b']) await read(cache, producer, { name });
  await kept(path, 2);
  clock.advance(120_000);
  await read(cache, producer, { name: 'a' });
  const reading = cache.serve(
    { key: key('b'), admission: 'first', progress: false, produce: producer.produce },
    never,
  );
  const first = await reading.next();
  await read(cache, producer, { name: 'a' });
  await read(cache, producer, { name: 'c' });
  await waitUntil('a and c', () => {
    const keys = storedFiles(path).map((name) => name.slice(0, 64));
    return keys.length === 2 && keys.includes(key('a')) && keys.includes(key('c'));
  });
  assert.equal(cache.counts.evictions, 1);
  assert.ok(first.done !== true);
  const rest = [Buffer.from(first.value.bytes)];
  for await (const part of reading) rest.push(Buffer.from(part.bytes));
  assert.deepEqual(Buffer.concat(rest), pack);
  await cache.close();
});

test('what was last used survives a restart, what is torn or strange does not', async () => {
  const { cache, path } = scene();
  const producer = producing(numbered(1000));
  for (const name of ['old', 'new', 'torn']) await read(cache, producer, { name });
  await kept(path, 3);
  await cache.close();
  const file = (name: string): string => join(path, `${key(name)}.1000`);
  truncateSync(file('torn'), 10);
  utimesSync(file('old'), 1, 1);
  writeFileSync(join(path, `${key('x')}.y.growing`), 'left behind');
  const later = scene({ packCacheBytes: 1500 }, { path });
  await read(later.cache, producer, { name: 'new' });
  assert.deepEqual(readdirSync(path).toSorted(), [`${key('new')}.1000`, 'lock'].toSorted());
  assert.equal(later.cache.counts.hits, 1);
  await later.cache.close();
});

test('a pack that the cache cannot take is sent all the same, to several readers and not held in memory', async () => {
  const pack = numbered(12_000_000);
  for (const settings of [
    { packCacheMaxEntryBytes: 3_000_000 },
    { packCacheMinFreeBytes: Number.MAX_SAFE_INTEGER },
  ]) {
    const { cache, path } = scene(settings);
    const producer = new Producer();
    const readers = [read(cache, producer), read(cache, producer)];
    for (let offset = 0; offset < pack.length; offset += 100_000)
      producer.give(pack.subarray(offset, offset + 100_000));
    producer.end();
    for (const { bytes } of await Promise.all(readers)) assert.ok(bytes.equals(pack));
    await cache.close();
    assert.deepEqual([producer.runs, readdirSync(path)], [1, ['lock']]);
  }
});

test('a disk that fails while a pack grows does not fail the fetch', async () => {
  const pack = numbered(4_000_000);
  for (const failAt of [0, 1, 2]) {
    let writes = 0;
    const full = (): never => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    };
    const disk: Disk = {
      ...systemDisk,
      create: async (path) => {
        if (failAt === 0) full();
        const file = await systemDisk.create(path);
        return { ...file, write: (bytes) => ((writes += 1) >= failAt ? full() : file.write(bytes)) };
      },
    };
    const { cache, path } = scene({}, { disk });
    const producer = producing(
      ...Array.from({ length: 40 }, (_, at) => pack.subarray(at * 100_000, (at + 1) * 100_000)),
    );
    const both = await Promise.all([read(cache, producer), read(cache, producer)]);
    for (const { bytes } of both) assert.ok(bytes.equals(pack), `failing at write ${failAt}`);
    await cache.close();
    assert.deepEqual(readdirSync(path), ['lock']);
  }
});

test('a file that somebody removed is made again', async () => {
  const { cache, path } = scene();
  const producer = producing(numbered(1000));
  await read(cache, producer);
  await kept(path, 1);
  await systemDisk.removeTree(join(path, storedFiles(path)[0] ?? ''));
  assert.deepEqual((await read(cache, producer)).bytes, numbered(1000));
  assert.equal(producer.runs, 2);
  await cache.close();
});

test('a second server in the same place has a cache of its own', async () => {
  const { cache, path } = scene();
  const producer = producing(numbered(1000));
  await read(cache, producer);
  await kept(path, 1);
  const other = scene({}, { path });
  await read(other.cache, producer);
  await kept(`${path}-2`, 1);
  assert.equal(producer.runs, 2);
  await other.cache.close();
  await cache.close();
});

test('a repository that is gone leaves nothing behind', async () => {
  const { cache, path } = scene();
  await read(cache, producing(numbered(1000)));
  await kept(path, 1);
  await cache.forget('another');
  await kept(path, 1);
  await cache.forget('repository');
  await kept(path, 0);
  await cache.close();
});

test('everything that decides a pack is in its key, and nothing else', () => {
  const oids = (...digits: string[]): string[] => digits.map((digit) => digit.repeat(40));
  const base: PackRequest = { ...emptyRequest, wants: oids('1', '2') };
  const keyOf = (
    request: PackRequest,
    facts: string[] = [],
    id = 'repository',
    format: 'sha1' | 'sha256' = 'sha1',
  ) => packKey(id, format, request, facts);
  assert.equal(keyOf(base), keyOf({ ...base, wants: oids('2', '1'), progress: true }));
  const others = [
    keyOf({ ...base, wants: oids('1') }),
    keyOf({ ...base, haves: oids('3') }),
    keyOf({ ...base, clientShallows: oids('3') }),
    keyOf({ ...base, newShallows: oids('3') }),
    keyOf({ ...base, unshallows: oids('3') }),
    keyOf({ ...base, thinPack: true }),
    keyOf({ ...base, ofsDelta: false }),
    keyOf({ ...base, includeTag: true }),
    keyOf({ ...base, filter: 'blob:none' }),
    keyOf({ ...base, filter: 'tree:0' }),
    keyOf(base, ['a fact']),
    keyOf(base, [], 'another'),
    keyOf(base, [], 'repository', 'sha256'),
  ];
  assert.equal(new Set([keyOf(base), ...others]).size, others.length + 1);
  assert.equal(keyOf(base, [], 'another').slice(0, 16) === keyOf(base).slice(0, 16), false);
});
