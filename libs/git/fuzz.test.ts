import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import * as fc from 'fast-check';
import { PackhorseError } from '#base';
import { damaged, fuzzRuns } from '#test/fuzz';
import { commitFiles, git, newWorkTree } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { parseCommit } from './objects/commit-object.ts';
import { parseTag } from './objects/tag-object.ts';
import { parseTree } from './objects/tree-object.ts';
import { PackIndexFile } from './packs/pack-index-file.ts';
import { applyDelta, deltaHead } from './quarantine/delta.ts';
import { IncomingPack } from './quarantine/incoming-pack.ts';
import { parsePackedRefs } from './refs/packed-refs.ts';

/** Whatever is on the disk, what reads it ends, and either understands it or says in our words that it does not. */

const oid = '1'.repeat(40);
const person = 'Ann Author <ann@example.org> 1700000000 +0100';

/** Runs `decode`; anything that it throws but a `PackhorseError` fails the test. */
function endsWell(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert.ok(error instanceof PackhorseError, error as Error);
  }
}

const delta = Buffer.from([10, 12, 0x91, 2, 4, 3, 1, 2, 3, 0x90, 5]);
const base = Buffer.from('0123456789');

const decoders: Readonly<
  Record<string, { readonly sample: Buffer; readonly decode: (bytes: Buffer) => unknown }>
> = {
  'packed refs': {
    sample: Buffer.from(
      `# pack-refs with: peeled fully-peeled sorted \n${oid} refs/heads/main\n${oid} refs/tags/v1\n^${oid}\n`,
    ),
    decode: (bytes) => parsePackedRefs(bytes, 'sha1'),
  },
  'a commit': {
    sample: Buffer.from(
      `tree ${oid}\nparent ${oid}\nauthor ${person}\ncommitter ${person}\nencoding UTF-8\ngpgsig -----BEGIN\n more\n\nA commit\n\nBody\n`,
    ),
    decode: (bytes) => parseCommit(oid, bytes),
  },
  'a tag': {
    sample: Buffer.from(`object ${oid}\ntype commit\ntag v1\ntagger ${person}\n\nA tag\n`),
    decode: (bytes) => parseTag(oid, bytes),
  },
  'a tree': {
    sample: Buffer.concat([
      Buffer.from('100644 file\0'),
      Buffer.from(oid, 'hex'),
      Buffer.from('40000 directory\0'),
      Buffer.from(oid, 'hex'),
    ]),
    decode: (bytes) => [...parseTree(oid, bytes, 'sha1')],
  },
  'a delta': {
    sample: delta,
    // Whoever applies one has looked at what it is going to make.
    decode: (bytes) => ((deltaHead(bytes)?.resultBytes ?? 0) > 1 << 20 ? undefined : applyDelta(base, bytes)),
  },
};

describe('a decoder ends well', () => {
  for (const [name, { sample, decode }] of Object.entries(decoders)) {
    test(`for ${name} that is damaged`, () => {
      endsWell(() => decode(sample));
      fc.assert(
        fc.property(damaged(sample), (bytes) => endsWell(() => decode(bytes))),
        fuzzRuns(2_000),
      );
    });

    test(`for any bytes in the place of ${name}`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => endsWell(() => decode(Buffer.from(bytes)))),
        fuzzRuns(500),
      );
    });
  }
});

describe('a pack and its index', () => {
  let index: Buffer;
  let pack: Buffer;
  let oids: readonly string[];

  before(async () => {
    const path = await newWorkTree();
    for (let index = 0; index < 12; index += 1)
      await commitFiles(path, { 'file.txt': `${'line\n'.repeat(40)}${index}` });
    await git(['repack', '-a', '-d', '-f', '-q'], { cwd: path });
    const directory = join(path, '.git/objects/pack');
    const read = (extension: string): Buffer => {
      const name = readdirSync(directory).find((file) => file.endsWith(extension));
      return readFileSync(join(directory, name ?? ''));
    };
    [index, pack] = [read('.idx'), read('.pack')];
    const listed = await git(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'], {
      cwd: path,
    });
    oids = listed.split('\n');
  });

  async function kinds(indexBytes: Buffer, packBytes: Buffer): Promise<void> {
    const name = join(temporaryDirectory('fuzzed'), 'pack');
    writeFileSync(`${name}.idx`, indexBytes);
    writeFileSync(`${name}.pack`, packBytes);
    try {
      await using opened = await IncomingPack.open(name, 'sha1');
      for (const each of oids.slice(0, 20)) await opened.kindOf(each);
    } catch (error) {
      assert.ok(error instanceof PackhorseError, error as Error);
    }
  }

  test('are damaged when the index ends among its ids, or leads to where no file can reach', async () => {
    const idsAt = 8 + 256 * 4;
    for (let length = idsAt; length < index.length; length += 7) await kinds(index.subarray(0, length), pack);
    const far = Buffer.concat([index, Buffer.alloc(8, 0xff)]);
    const offsets = idsAt + oids.length * 24;
    for (let at = 0; at < oids.length; at += 1)
      far.writeUInt32BE(0x80000000 + (index.length - offsets - oids.length * 4) / 8, offsets + at * 4);
    await kinds(far, pack);
  });

  test('are read to their end however the index is damaged', async () => {
    await kinds(index, pack);
    await fc.assert(
      fc.asyncProperty(damaged(index), (bytes) => kinds(bytes, pack)),
      fuzzRuns(150),
    );
  });

  test('say which objects there are, or that they cannot, however the index of a base pack is damaged', async () => {
    const answers = async (bytes: Buffer): Promise<readonly boolean[] | undefined> => {
      const path = join(temporaryDirectory('fuzzed'), 'pack.idx');
      writeFileSync(path, bytes);
      try {
        await using opened = await PackIndexFile.open(path, 'sha1');
        return await opened.has(oids);
      } catch (error) {
        assert.ok(error instanceof PackhorseError, error as Error);
        return undefined;
      }
    };
    assert.deepEqual(
      await answers(index),
      oids.map(() => true),
    );
    await fc.assert(
      fc.asyncProperty(damaged(index), async (bytes) => void (await answers(bytes))),
      fuzzRuns(300),
    );
  });

  test('are read to their end however the pack is damaged', async () => {
    await fc.assert(
      fc.asyncProperty(damaged(pack), (bytes) => kinds(index, bytes)),
      fuzzRuns(150),
    );
  });
});
