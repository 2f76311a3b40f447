import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import * as fc from 'fast-check';
import type { ObjectFormat } from '#base';
import { fuzzRuns } from '#test/fuzz';
import { git, tryGit } from '#test/git';
import { randomHistory } from '#test/random-history';
import { temporaryDirectory } from '#test/temporary';
import { applyDelta, deltaHead } from './delta.ts';
import { PackScanner, type ScanLimits } from './pack-scanner.ts';
import { buildSmallPack, type SmallPack } from './small-pack.ts';

const roomy: ScanLimits = { maxBytes: 1 << 20, maxObjects: 2_000, maxInflatedBytes: 4 << 20 };

async function packOf(repository: string, revisions: string, ...options: string[]): Promise<Buffer> {
  const args = ['pack-objects', '--stdout', '--revs', '-q', '--window=20', ...options];
  const result = await tryGit(args, { cwd: repository, input: revisions });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

function scan(
  bytes: Buffer,
  chunkBytes: number,
  format: ObjectFormat = 'sha1',
  limits = roomy,
): PackScanner | string {
  const scanner = new PackScanner(format, limits);
  let state = 'more';
  for (let at = 0; at < bytes.length && state === 'more'; at += chunkBytes)
    state = scanner.feed(bytes.subarray(at, at + chunkBytes));
  return state === 'complete' ? scanner : state;
}

function complete(bytes: Buffer, chunkBytes: number, format: ObjectFormat = 'sha1'): PackScanner {
  const scanner = scan(bytes, chunkBytes, format);
  assert.ok(typeof scanner !== 'string');
  return scanner;
}

function build(
  scanner: PackScanner,
  format: ObjectFormat,
  repository?: string,
): Promise<SmallPack | undefined> {
  return buildSmallPack(scanner, {
    objectFormat: format,
    maxInflatedBytes: roomy.maxInflatedBytes,
    read: async (oid) => {
      if (repository === undefined) return undefined;
      const kind = (await tryGit(['cat-file', '-t', oid], { cwd: repository })).stdout.toString().trim();
      if (kind !== 'commit' && kind !== 'tree' && kind !== 'blob' && kind !== 'tag') return undefined;
      return { kind, bytes: (await tryGit(['cat-file', kind, oid], { cwd: repository })).stdout };
    },
  });
}

/** A pack of these entries with the right header and checksum. */
function packed(...entries: readonly Buffer[]): Buffer {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0');
  header.writeUInt32BE(entries.length, 8);
  const body = Buffer.concat([header, ...entries]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

const blobEntry = (text: string): Buffer =>
  Buffer.concat([Buffer.from([0x30 | text.length]), deflateSync(text)]);

for (const format of ['sha1', 'sha256'] as const) {
  describe(`packs of ${format}`, () => {
    let repository: string;
    before(async () => {
      repository = await randomHistory(7, { format, commits: 40 });
    });

    test('the index of a pack is the one that git writes, byte for byte, however it arrives', async () => {
      for (const options of [[], ['--delta-base-offset'], ['--depth=0']]) {
        const bytes = await packOf(repository, 'main\ntopic\nv1-of-tag\n', ...options);
        const directory = temporaryDirectory('index');
        writeFileSync(join(directory, 'git.pack'), bytes);
        await git(
          ['index-pack', `--object-format=${format}`, '--no-rev-index', join(directory, 'git.pack')],
          { cwd: repository },
        );
        for (const chunkBytes of [bytes.length, 1000, 7]) {
          const small = await build(complete(bytes, chunkBytes, format), format);
          assert.ok(small !== undefined);
          assert.ok(small.pack.equals(bytes));
          assert.ok(small.index.equals(readFileSync(join(directory, 'git.idx'))));
          assert.equal(small.name, `pack-${bytes.subarray(-(format === 'sha1' ? 20 : 32)).toString('hex')}`);
        }
      }
    });

    test('a thin pack is completed into one that git verifies', async () => {
      const thin = await packOf(repository, 'main\n^main~3\n', '--thin');
      const target = temporaryDirectory('thin');
      await git(['init', '--quiet', '--bare', `--object-format=${format}`, target]);
      const small = await build(complete(thin, thin.length, format), format, repository);
      assert.ok(small !== undefined);
      const base = join(target, 'objects/pack', small.name);
      writeFileSync(`${base}.pack`, small.pack);
      writeFileSync(`${base}.idx`, small.index);
      const verified = await git(['verify-pack', '-v', `${base}.idx`], { cwd: target });
      for (const oid of small.objects.keys()) assert.ok(verified.includes(oid));
      if (small.pack.length > thin.length)
        assert.equal(await build(complete(thin, 99, format), format), undefined);
      for (const name of readdirSync(join(target, 'objects/pack')))
        rmSync(join(target, 'objects/pack', name));
    });
  });
}

test('a pack that arrives one byte at a time is complete with its last byte', async () => {
  const bytes = packed(blobEntry('one'), blobEntry('two'));
  const scanner = new PackScanner('sha1', roomy);
  for (const [at, byte] of bytes.entries()) {
    assert.equal(scanner.feed(Buffer.from([byte])), at === bytes.length - 1 ? 'complete' : 'more');
  }
  assert.deepEqual(
    scanner.entries.map((entry) => entry.bytes.toString()),
    ['one', 'two'],
  );
  assert.ok(scanner.pack.equals(bytes));
});

test('what is fed is kept for replay, with what follows the pack', () => {
  const bytes = Buffer.concat([packed(blobEntry('one')), Buffer.from('rest')]);
  const scanner = complete(bytes, bytes.length);
  assert.ok(scanner.bytes.equals(bytes));
  assert.equal(scanner.pack.length, bytes.length - 4);
});

test('bombs and lies are given up before they cost anything', () => {
  const size = (type: number, sizeBytes: number): Buffer => {
    const bytes = [(type << 4) | (sizeBytes % 16) | 0x80];
    let rest = Math.floor(sizeBytes / 16);
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
    return Buffer.from([...bytes, rest]);
  };
  const zeros = deflateSync(Buffer.alloc(1 << 24));
  const header = Buffer.from('PACK\0\0\0\x02\0\x98\x96\x80');
  const cases: Record<string, Buffer> = {
    'an object of gigabytes': packed(Buffer.concat([size(3, 2 ** 33), zeros])),
    'an object that is larger than it says': packed(Buffer.concat([size(3, 100), zeros])),
    'an object that is smaller than it says': packed(Buffer.concat([size(3, 100), deflateSync('x')])),
    'an empty object that is not empty': packed(Buffer.concat([Buffer.from([0x30]), deflateSync('x')])),
    'a size without end': packed(Buffer.concat([Buffer.alloc(80, 0xff)])),
    'a distance without end': packed(Buffer.concat([Buffer.from([0x61]), Buffer.alloc(80, 0xff)])),
    'a million objects': Buffer.concat([header, Buffer.alloc(100)]),
    'a type that does not exist': packed(Buffer.concat([Buffer.from([0x51]), deflateSync('x')])),
    'no deflated data': packed(Buffer.concat([Buffer.from([0x31]), Buffer.from('what is this, at all?')])),
    'another version': Buffer.from('PACK\0\0\0\x04\0\0\0\x01 and so on'),
  };
  for (const [name, bytes] of Object.entries(cases))
    for (const chunkBytes of [bytes.length, 1]) {
      // A huge entry is refused by its head, a byte at a time as well.
      assert.equal(scan(bytes.subarray(0, 4000), chunkBytes), 'unfit', name);
    }
  assert.equal(
    scan(packed(blobEntry('one'), blobEntry('two')), 9, 'sha1', { ...roomy, maxObjects: 1 }),
    'unfit',
  );
  assert.equal(scan(packed(blobEntry('one')), 9, 'sha1', { ...roomy, maxBytes: 20 }), 'unfit');
  const twelve = { ...roomy, maxInflatedBytes: 5 };
  assert.equal(scan(packed(blobEntry('one'), blobEntry('two')), 99, 'sha1', twelve), 'unfit');
});

test('a large entry in tiny pieces is not inflated again and again', () => {
  const noise = createHash('shake256', { outputLength: 200_000 }).digest();
  const bytes = packed(Buffer.concat([Buffer.from([0xb0, 0xd4, 0x61]), deflateSync(noise)]));
  assert.ok(typeof scan(bytes, bytes.length) !== 'string');
  assert.equal(scan(bytes, 10), 'unfit');
});

test('a pack with any byte changed, or cut anywhere, is never taken for a good one', () => {
  const bytes = packed(blobEntry('hello hello hel'), blobEntry('two'));
  fc.assert(
    fc.property(
      fc.nat(bytes.length - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.integer({ min: 1, max: 99 }),
      (at, mask, chunkBytes) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ mask;
        assert.equal(typeof scan(changed, chunkBytes), 'string');
        assert.equal(scan(bytes.subarray(0, at), chunkBytes), 'more');
      },
    ),
    fuzzRuns(200),
  );
});

test('whatever bytes stand behind a good header and before a good checksum, scanning and building end', async () => {
  const entry = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc
      .record({
        head: fc.uint8Array({ minLength: 1, maxLength: 24 }),
        content: fc.uint8Array({ maxLength: 40 }),
      })
      .map(({ head, content }) => Buffer.concat([head, deflateSync(content)])),
    fc.string({ maxLength: 15 }).map((text) => blobEntry(text.replace(/[^ -~]/g, 'x'))),
    // A delta on the entry before it, with any instructions.
    fc
      .record({ distance: fc.nat(60), code: fc.uint8Array({ maxLength: 15 }) })
      .map(({ distance, code }) =>
        Buffer.concat([Buffer.from([0x60 | code.length, distance]), deflateSync(code)]),
      ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 5 }), async (entries) => {
      const scanner = scan(packed(...entries), 13);
      if (typeof scanner !== 'string') await build(scanner, 'sha1');
    }),
    fuzzRuns(500),
  );
});

test('deltas that are damaged, or made for another base, make nothing', () => {
  const base = Buffer.from('0123456789');
  const make = (...bytes: number[]): string | undefined => applyDelta(base, Buffer.from(bytes))?.toString();
  assert.equal(make(10, 4, 0x91, 2, 4), '2345');
  assert.equal(make(10, 3, 3, 0x61, 0x62, 0x63), 'abc');
  assert.equal(make(10, 0), '');
  for (const damaged of [
    [],
    [10],
    [11, 4, 0x91, 2, 4],
    [10, 5, 0x91, 2, 4],
    [10, 3, 0x91, 2, 4],
    [10, 4, 0x91, 7, 4],
    [10, 4, 0x91, 2],
    [10, 4, 0x91],
    [10, 4, 0],
    [10, 4, 4, 0x61],
    [10, 4, 0x80],
    [10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  ])
    assert.equal(make(...damaged), undefined, damaged.join(' '));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const delta = Buffer.from([10, 20, ...bytes]);
      assert.equal(deltaHead(delta)?.resultBytes, 20);
      const made = applyDelta(base, delta);
      assert.ok(made === undefined || made.length === 20);
    }),
    fuzzRuns(200),
  );
});
