import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { as, doors, type Remote } from '#test/doors';
import { git } from '#test/git';
import {
  copyInstruction,
  delta,
  deltaEntry,
  insertInstruction,
  maxCopyBytes,
  objectEntry,
  packOf,
  type WrittenEntry,
  zerosEntry,
} from '#test/pack-writer';
import type { Packhorse } from '#test/packhorse';
import { PeakMemory } from '#test/process-memory';
import { rawRequest } from '#test/raw-request';
import { RootScene } from './root-scene.ts';
import { Scene } from './scene.ts';

/**
 * Small requests that ask for a lot. Each ends in a clear error, or in success where there is
 * nothing wrong with it, while the server and all that it started stay within a bound, and the
 * server goes on answering.
 */

const MiB = 1024 * 1024;
const indexerMemoryBytes = 192 * MiB;
const maxObjectBytes = 64 * MiB;
const maxPackObjects = 300_000;
/** Above what the server has at rest: one indexer, and as much again for the server itself. */
const allowedBytes = 2 * indexerMemoryBytes;

const env = {
  PACKHORSE_GIT_MAX_INDEXER_MEMORY_BYTES: String(indexerMemoryBytes),
  PACKHORSE_GIT_MAX_PUSHED_OBJECT_BYTES: String(maxObjectBytes),
  PACKHORSE_GIT_MAX_PACK_OBJECTS: String(maxPackObjects),
  // How long the rest of an endless request is taken after its answer.
  PACKHORSE_HTTP_LINGER_TIMEOUT_MS: '1000',
};

const tooMany = /ERR .*(?:too many|more than|limit)/i;
const zero = '0'.repeat(40);
const person = 'Ann Author <ann@example.org> 1700000000 +0000';

function packet(text: string): string {
  return (text.length + 4).toString(16).padStart(4, '0') + text;
}

function commit(tree: string, parents: readonly string[] = []): Buffer {
  const lines = [`tree ${tree}`, ...parents.map((parent) => `parent ${parent}`)];
  return Buffer.from(`${lines.join('\n')}\nauthor ${person}\ncommitter ${person}\n\nA commit\n`);
}

/** A push of one ref that need not be in the pack: whoever looks at the pack first refuses that first. */
function push(pack: Buffer, oid = '1'.repeat(40)): Buffer {
  const command = packet(`${zero} ${oid} refs/heads/bomb\0report-status side-band-64k`);
  return Buffer.concat([Buffer.from(`${command}0000`), pack]);
}

/** Doubles, eight times over, what one copied base is: 4 GiB of one kilobyte. */
function deltaBomb(): Buffer {
  let sizeBytes = MiB;
  let last = objectEntry('blob', Buffer.alloc(sizeBytes, 'a'));
  const entries = [last];
  while (sizeBytes < 2048 * MiB) {
    const copies = Math.min(sizeBytes, maxCopyBytes);
    const count = Math.floor((8 * sizeBytes) / copies);
    const instructions = Buffer.concat(Array.from({ length: count }, () => copyInstruction(copies)));
    last = deltaEntry(last.bytes.length, delta(sizeBytes, count * copies, instructions));
    entries.push(last);
    sizeBytes = count * copies;
  }
  return packOf(entries);
}

interface Bomb {
  readonly name: string;
  readonly body: () => Buffer | Promise<Buffer>;
  readonly answer: RegExp;
}

const pushes: readonly Bomb[] = [
  {
    name: 'a pack of one kilobyte with deltas that make gigabytes',
    body: () => {
      const pack = deltaBomb();
      assert.ok(pack.length < 2_000, `${pack.length} bytes`);
      return push(pack);
    },
    answer: /more memory than the server allows/,
  },
  {
    name: 'a small pack with a huge blob',
    body: async () => push(packOf([await zerosEntry('blob', 300 * MiB)])),
    answer: /an object of 314572800 bytes is larger than the server allows/,
  },
  {
    name: 'a small pack with a huge tree',
    body: async () => push(packOf([await zerosEntry('tree', 300 * MiB)])),
    answer: /more memory than the server allows/,
  },
  {
    name: 'an object that lies about its size',
    body: () => push(packOf([objectEntry('commit', Buffer.from('short'), 3 * 1024 * MiB)])),
    answer: /unpack .*(memory|inflate|serious|corrupt)/,
  },
  {
    name: 'a delta that lies about its result',
    body: () => {
      const base = objectEntry('blob', Buffer.alloc(1024, 'a'));
      const lie = delta(1024, 3 * 1024 * MiB, copyInstruction(1024));
      return push(packOf([base, deltaEntry(base.bytes.length, lie)]));
    },
    answer: /unpack .*(memory|delta)/,
  },
  {
    name: 'a header that announces four thousand million objects',
    body: () => push(packOf([objectEntry('blob', Buffer.from('one'))], 0xffffffff)),
    answer: /the pack has 4294967295 objects, more than the server allows/,
  },
  {
    name: 'more objects than are allowed',
    body: () => {
      const entries = Array.from<WrittenEntry>({ length: maxPackObjects + 1 });
      return push(packOf(entries.fill(objectEntry('blob', Buffer.from('same')))));
    },
    answer: /the pack has 300001 objects, more than the server allows/,
  },
];

/** What git takes as well: unusual, but nothing is wrong with it. */
const unusual: readonly Bomb[] = [
  {
    name: 'a chain of 10,000 deltas',
    body: () => {
      let sizeBytes = 64;
      let last = objectEntry('blob', Buffer.alloc(sizeBytes, 'a'));
      const entries = [last];
      for (let index = 0; index < 10_000; index += 1) {
        const added = Buffer.from(`${index % 10}`);
        const instructions = Buffer.concat([copyInstruction(sizeBytes), insertInstruction(added)]);
        last = deltaEntry(last.bytes.length, delta(sizeBytes, sizeBytes + 1, instructions));
        entries.push(last);
        sizeBytes += 1;
      }
      return withCommit(entries);
    },
    answer: /ok refs\/heads\/bomb/,
  },
  {
    name: 'a hundred deltas on one large base',
    body: () => {
      const sizeBytes = 8 * MiB;
      const base = objectEntry('blob', Buffer.alloc(sizeBytes, 'a'));
      let distance = base.bytes.length;
      const deltas = Array.from({ length: 100 }, (_, index) => {
        const instructions = Buffer.concat([
          copyInstruction(sizeBytes),
          insertInstruction(Buffer.from(`${index}`)),
        ]);
        const entry = deltaEntry(distance, delta(sizeBytes, sizeBytes + `${index}`.length, instructions));
        distance += entry.bytes.length;
        return entry;
      });
      return withCommit([base, ...deltas]);
    },
    answer: /ok refs\/heads\/bomb/,
  },
  {
    name: '200,000 tiny objects',
    body: () =>
      withCommit(Array.from({ length: 200_000 }, (_, index) => objectEntry('blob', Buffer.from(`${index}`)))),
    answer: /ok refs\/heads\/bomb/,
  },
  {
    name: 'a tree with a million entries',
    body: () => {
      const blob = objectEntry('blob', Buffer.from('same'));
      const id = Buffer.from(blob.oid ?? '', 'hex');
      const names = Array.from({ length: 1_000_000 }, (_, index) => {
        return Buffer.concat([Buffer.from(`100644 ${String(index).padStart(7, '0')}\0`), id]);
      });
      const tree = objectEntry('tree', Buffer.concat(names));
      const tip = objectEntry('commit', commit(tree.oid ?? ''));
      return push(packOf([blob, tree, tip]), tip.oid);
    },
    answer: /ok refs\/heads\/bomb/,
  },
  {
    name: 'a commit with 500,000 parents',
    body: () => {
      const tree = objectEntry('tree', Buffer.alloc(0));
      const root = objectEntry('commit', commit(tree.oid ?? ''));
      const parents = Array.from({ length: 500_000 }, () => root.oid ?? '');
      const tip = objectEntry('commit', commit(tree.oid ?? '', parents));
      return push(packOf([tree, root, tip]), tip.oid);
    },
    answer: /ok refs\/heads\/bomb/,
  },
  {
    name: 'a tag of a tag of a tag, 5,000 deep',
    body: () => {
      const tree = objectEntry('tree', Buffer.alloc(0));
      const tip = objectEntry('commit', commit(tree.oid ?? ''));
      const entries = [tree, tip];
      let [oid, kind] = [tip.oid ?? '', 'commit'];
      for (let index = 0; index < 5_000; index += 1) {
        const text = `object ${oid}\ntype ${kind}\ntag t${index}\ntagger ${person}\n\nA tag\n`;
        const tag = objectEntry('tag', Buffer.from(text));
        entries.push(tag);
        [oid, kind] = [tag.oid ?? '', 'tag'];
      }
      const command = packet(`${zero} ${oid} refs/tags/bomb\0report-status side-band-64k`);
      return Buffer.concat([Buffer.from(`${command}0000`), packOf(entries)]);
    },
    answer: /ok refs\/tags\/bomb/,
  },
];

/** These entries beside a commit, which is pushed. */
function withCommit(entries: Parameters<typeof packOf>[0]): Buffer {
  const tree = objectEntry('tree', Buffer.alloc(0));
  const tip = objectEntry('commit', commit(tree.oid ?? ''));
  return push(packOf([...entries, tree, tip]), tip.oid);
}

const fetchStart = `${packet('command=fetch\n')}${packet('object-format=sha1\n')}0001`;

/** Many different objects that nobody has. */
function unknownOid(index: number): string {
  return index.toString(16).padStart(40, '1');
}

const manyLines = 300_000;

/** Requests with many lines, about a tip that is there; git dies of the first want that is not. */
const fetches: readonly {
  readonly name: string;
  readonly lines: (tip: string) => string;
  readonly answer: RegExp;
}[] = [
  {
    name: `${manyLines} wants of the same`,
    lines: (tip) => packet(`want ${tip}\n`).repeat(manyLines),
    answer: /packfile/,
  },
  {
    name: `${manyLines} wants`,
    lines: () =>
      Array.from({ length: manyLines }, (_, index) => packet(`want ${unknownOid(index)}\n`)).join(''),
    answer: /ERR upload-pack: not our ref|ERR .*(?:too many|more than|limit)/i,
  },
  {
    name: `${manyLines} haves`,
    lines: (tip) =>
      packet(`want ${tip}\n`) +
      Array.from({ length: manyLines }, (_, index) => packet(`have ${unknownOid(index)}\n`)).join(''),
    answer: tooMany,
  },
];

async function* endlessLines(): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${packet('command=ls-refs\n')}${packet('object-format=sha1\n')}0001`);
  const lines = Buffer.from(packet('ref-prefix refs/heads/x\n').repeat(1_000));
  for (;;) yield lines;
}

interface Place {
  readonly name: string;
  start(): Promise<AsyncDisposable & { readonly packhorse: Packhorse }>;
}

const places: readonly Place[] = [
  { name: 'with accounts', start: () => Scene.start({ env }) },
  { name: 'over a directory', start: () => RootScene.start({ env }) },
];

const bodies = new Map<Bomb, Buffer | Promise<Buffer>>();

/** Some take long to make, and the same one goes through every door. */
async function bodyOf(bomb: Bomb): Promise<Buffer> {
  let body = bodies.get(bomb);
  if (body === undefined) bodies.set(bomb, (body = bomb.body()));
  return await body;
}

const inMiB = (bytes: number): string => `${(bytes / MiB).toFixed(0)} MiB`;

for (const place of places) {
  describe(`bombs ${place.name}`, () => {
    let scene: Scene | RootScene;
    before(async () => {
      scene = (await place.start()) as Scene | RootScene;
    });
    after(() => scene[Symbol.asyncDispose]());

    for (const door of doors) {
      async function empty(): Promise<Remote> {
        return scene instanceof Scene
          ? await scene.empty(door)
          : await scene.remote(door, await scene.create());
      }

      /** Runs `attack` within the bound; afterwards the server must still answer at `remote`. */
      async function survives(remote: Remote, attack: () => Promise<unknown>): Promise<void> {
        const { packhorse } = scene;
        const idle = packhorse.treeMemory().anonBytes;
        using peak = new PeakMemory(() => packhorse.treeMemory());
        await attack();
        const { anonBytes } = peak.stop();
        assert.ok(anonBytes - idle < allowedBytes, `${inMiB(anonBytes - idle)} above idle`);
        await git(['ls-remote', remote.url], as(remote));
      }

      for (const bomb of pushes) {
        test(`${bomb.name} is refused over ${door.name}`, async () => {
          const [remote, body] = [await empty(), await bodyOf(bomb)];
          await survives(remote, async () => {
            const answer = await rawRequest(remote, { service: 'git-receive-pack', version: 0, body });
            assert.match(answer, bomb.answer);
            assert.match(answer, /ng refs\/heads\/bomb/);
          });
          assert.equal(await git(['ls-remote', remote.url], as(remote)), '');
        });
      }

      for (const bomb of unusual) {
        test(`${bomb.name} is taken over ${door.name}`, async () => {
          const [remote, body] = [await empty(), await bodyOf(bomb)];
          await survives(remote, async () => {
            const answer = await rawRequest(remote, { service: 'git-receive-pack', version: 0, body });
            assert.match(answer, bomb.answer);
          });
          assert.match(await git(['ls-remote', remote.url], as(remote)), /refs\/(?:heads|tags)\/bomb/);
        });
      }

      for (const { name, lines, answer } of fetches) {
        test(`a fetch with ${name} ends well over ${door.name}`, async () => {
          const remote = await empty();
          await rawRequest(remote, { service: 'git-receive-pack', version: 0, body: withCommit([]) });
          const tip = (await git(['ls-remote', remote.url, 'refs/heads/bomb'], as(remote))).slice(0, 40);
          const body = Buffer.from(`${fetchStart}${lines(tip)}${packet('done\n')}0000`);
          await survives(remote, async () => {
            assert.match(await rawRequest(remote, { service: 'git-upload-pack', version: 2, body }), answer);
          });
        });
      }

      test(`a request that never ends is refused over ${door.name}`, async () => {
        const remote = await empty();
        await survives(remote, async () => {
          const answer = await rawRequest(remote, {
            service: 'git-upload-pack',
            version: 2,
            body: endlessLines(),
          });
          assert.match(answer, /ERR .*(too many|more than|limit)/i);
        });
      });

      if (door.name !== 'http') continue;
      for (const [name, line] of [
        ['haves', packet(`have ${'1'.repeat(40)}\n`)],
        ['flush packets', '0000'],
        ['nothing that is a request', '\0\0\0\0'],
      ] as const) {
        test(`a compressed body that grows to a gigabyte of ${name} is refused`, async () => {
          const remote = await empty();
          // Members of gzip can follow each other (RFC 1952, section 2.2).
          const member = gzipSync(Buffer.from(line.repeat(Math.floor((8 * MiB) / line.length))));
          const body = Buffer.concat([
            gzipSync(Buffer.from(name === 'haves' ? fetchStart : '')),
            ...Array.from({ length: 128 }, () => member),
          ]);
          assert.ok(body.length < 4 * MiB);
          await survives(remote, async () => {
            const headers = { 'content-encoding': 'gzip' };
            const answer = await rawRequest(remote, {
              service: 'git-upload-pack',
              version: 2,
              body,
              headers,
            });
            assert.match(answer, /^(?:4\d\d|200\n$|200\n[0-9a-f]{4}ERR )/);
          });
        });
      }
    }
  });
}
