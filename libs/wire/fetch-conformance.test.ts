import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { Oid } from '#base';
import { FastImport } from '#test/fast-import';
import { git, tryGit } from '#test/git';
import { PlainRepository } from '#test/plain-repository';
import { temporaryDirectory } from '#test/temporary';
import type { CommitNode } from './repository.ts';
import { converse, exactTranscript, packets } from './testing/transcript.ts';
import { infiniteDepth } from './shallow.ts';
import { serveUploadPack } from './upload-pack.ts';

/** The same requests to `git upload-pack` and to us, on one repository: the answers must be the same. */

/** Answers commits from memory, as the repository does not change. */
class StillRepository extends PlainRepository {
  readonly #nodes = new Map<Oid, Promise<CommitNode | undefined>>();

  override commitNode(oid: Oid): Promise<CommitNode | undefined> {
    const node = this.#nodes.get(oid) ?? super.commitNode(oid);
    this.#nodes.set(oid, node);
    return node;
  }
}

/** Two lines of history that were merged twice, a side branch, a root of its own, and tags. */
const parentsOf: readonly (readonly number[])[] = [
  [],
  [1],
  [2],
  [3],
  [3],
  [5],
  [4, 6],
  [7],
  [6],
  [9],
  [8, 10],
  [11],
  [12],
  [4],
  [14],
  [],
  [16],
  [13, 17],
  [18],
  [19],
];

let repository: StillRepository;
let commits: readonly Oid[];
let tags: readonly Oid[];

before(async () => {
  const path = join(temporaryDirectory('fetch'), 'repository.git');
  await git(['init', '--quiet', '--bare', path]);
  await git(['config', 'uploadpack.allowFilter', 'true'], { cwd: path });
  await git(['config', 'pack.threads', '1'], { cwd: path });
  const marks: number[] = [];
  {
    await using stream = new FastImport(path);
    for (const [index, parents] of parentsOf.entries()) {
      const blob = await stream.blob(Buffer.from(`content ${index}\n`.repeat(20)));
      const ref = [13, 17].includes(index) ? `refs/heads/side-${index}` : 'refs/heads/main';
      const mark = await stream.commit({
        ref,
        message: `commit ${index}\n`,
        parents: parents.map((parent) => marks[parent - 1] ?? 0),
        files: new Map([[Buffer.from(`dir/file-${index % 3}`), blob]]),
      });
      marks.push(mark);
    }
    await stream.reset('refs/heads/main', marks.at(-1) ?? 0);
    await stream.reset('refs/heads/side', marks[14] ?? 0);
    await stream.tag('v1', await stream.tag('inner', marks[6] ?? 0));
    await stream.finish();
  }
  repository = new StillRepository(path);
  const log = await git(['log', '--all', '--format=%H %s'], { cwd: path });
  const byIndex = new Map(
    log.split('\n').map((line) => [Number(line.split(' ')[2]), line.split(' ')[0] ?? '']),
  );
  commits = parentsOf.map((_, index) => byIndex.get(index) ?? '');
  tags = [await git(['rev-parse', 'v1'], { cwd: path }), await git(['rev-parse', 'inner'], { cwd: path })];
});

/** What the client gets before the pack, and which objects are in the pack. */
interface Answer {
  readonly lines: readonly string[];
  readonly objects: readonly string[];
}

/** Unpacks into a copy that has everything, so that thin packs can be completed. */
async function objectsOf(pack: Buffer): Promise<readonly string[]> {
  if (pack.length === 0) return ['no pack'];
  const copy = join(temporaryDirectory('unpack'), 'copy.git');
  await git(['clone', '--quiet', '--bare', '--shared', repository.path, copy]);
  const indexed = await git(['index-pack', '--stdin', '--fix-thin'], { cwd: copy, input: pack });
  const idx = join(copy, 'objects', 'pack', `pack-${indexed.split('\t')[1]}.idx`);
  const list = await git(['verify-pack', '-v', idx]);
  return Array.from(list.matchAll(/^([0-9a-f]{40}) (\w+)/gm), ([, oid]) => oid ?? '').toSorted();
}

/** Splits an answer at its pack, whether that comes in bands or raw. */
async function answerOf(bytes: Buffer): Promise<Answer> {
  const lines: string[] = [];
  const pack: Buffer[] = [];
  for (let left = bytes; left.length > 0;) {
    if (left.toString('latin1', 0, 4) === 'PACK') {
      pack.push(left);
      break;
    }
    const lengthBytes = Number.parseInt(left.toString('latin1', 0, 4), 16);
    const payload = left.subarray(4, Math.max(4, lengthBytes));
    const bandNumber = payload[0] ?? 0;
    if (bandNumber === 1) pack.push(payload.subarray(1));
    else if (bandNumber > 3 || lengthBytes === 0 || lengthBytes === 1) {
      lines.push(...exactTranscript(left.subarray(0, Math.max(4, lengthBytes))));
    }
    left = left.subarray(Math.max(4, lengthBytes));
  }
  return { lines: sortShallow(lines), objects: await objectsOf(Buffer.concat(pack)) };
}

/** The order of shallow lines means nothing, and differs. */
function sortShallow(lines: readonly string[]): readonly string[] {
  const isShallow = (line: string): boolean => /^(un)?shallow [0-9a-f]/.test(line);
  const sorted = lines.filter(isShallow).toSorted();
  return lines.map((line) => (isShallow(line) ? (sorted.shift() ?? '') : line));
}

async function real(input: Buffer, version: number, stateless: boolean): Promise<Answer> {
  const mode = stateless ? ['--stateless-rpc'] : [];
  const env = { GIT_PROTOCOL: `version=${version}` };
  const { stdout } = await tryGit(['upload-pack', ...mode, repository.path], { input, env });
  const answer = await answerOf(stdout);
  if (stateless) return answer;
  // A dialogue begins with the advertisement, which is not what is compared here.
  return { ...answer, lines: answer.lines.slice(answer.lines.indexOf('0000') + 1) };
}

async function ours(input: Buffer, version: 0 | 1 | 2, stateless: boolean): Promise<Answer> {
  const bytes = await converse(
    (conversation, options) => serveUploadPack(repository, conversation, options),
    input,
    { version, stateless, chunkBytes: 7 },
  );
  return answerOf(bytes);
}

function command(...args: readonly string[]): Buffer {
  return packets('command=fetch', 'agent=git/test', 'object-format=sha1', '0001', ...args, '0000');
}

/** Everything that a client with these commits and no end of its history has. */
async function reachedBy(haves: readonly number[]): Promise<ReadonlySet<string>> {
  if (haves.length === 0) return new Set();
  const args = ['rev-list', '--objects', '--no-object-names', ...haves.map(c)];
  return new Set((await git(args, { cwd: repository.path })).split('\n'));
}

const nowhere = 'f'.repeat(40);
const c = (index: number): Oid => commits[index] ?? '';

describe('fetch in version 2 answers what git answers', () => {
  const cases: Readonly<Record<string, () => readonly string[]>> = {
    'to a clone': () => ['ofs-delta', 'thin-pack', `want ${c(19)}`, 'done'],
    'to a clone of everything with tags': () => [
      'ofs-delta',
      'include-tag',
      `want ${c(19)}`,
      `want ${tags[0]}`,
      `want ${c(14)}`,
      'done',
    ],
    'to a fetch that is done': () => [
      'thin-pack',
      `want ${c(19)}`,
      `have ${c(11)}`,
      `have ${nowhere}`,
      'done',
    ],
    'to haves that are enough': () => [`want ${c(19)}`, `have ${c(18)}`, `have ${c(16)}`],
    'to haves that are enough but wait': () => ['wait-for-done', `want ${c(19)}`, `have ${c(18)}`],
    'to haves that are not enough': () => [
      `want ${c(19)}`,
      `want ${c(14)}`,
      `have ${c(18)}`,
      `have ${nowhere}`,
    ],
    'to haves that are all unknown': () => [`want ${c(19)}`, `have ${nowhere}`],
    'to wants that are had': () => [`want ${c(7)}`, `have ${c(7)}`],
    'to wants that are an ancestor of what is had': () => [`want ${c(6)}`, `have ${c(19)}`],
    'to a want of a tag whose commit is had': () => [`want ${tags[0]}`, `have ${c(6)}`],
    'to a shallow want of a tag of a tag': () => [`want ${tags[0]}`, `want ${c(7)}`, 'deepen 2', 'done'],
    'to a want of a tag': () => [`want ${tags[0]}`, 'include-tag', 'done'],
    'to nothing wanted': () => [`have ${c(1)}`],
    'to nothing wanted while waiting': () => ['wait-for-done', `have ${c(1)}`, `have ${nowhere}`],
    'to a depth of one': () => [`want ${c(19)}`, 'deepen 1', 'done'],
    'to a depth of three': () => [`want ${c(19)}`, `want ${c(14)}`, 'deepen 3', 'done'],
    'to a depth beyond the root': () => [`want ${c(19)}`, 'deepen 50', 'done'],
    'to unshallowing': () => [
      `want ${c(19)}`,
      `shallow ${c(19)}`,
      `deepen ${infiniteDepth}`,
      `have ${c(19)}`,
      'done',
    ],
    'to deepening by two': () => [
      `want ${c(19)}`,
      `shallow ${c(18)}`,
      'deepen-relative',
      'deepen 2',
      `have ${c(19)}`,
      'done',
    ],
    'to a shallow client that only fetches': () => [
      `want ${c(19)}`,
      `shallow ${c(11)}`,
      `have ${c(12)}`,
      'done',
    ],
    'to a shallow client at a commit that is nowhere': () => [`want ${c(19)}`, `shallow ${nowhere}`, 'done'],
    'to a date': () => [`want ${c(19)}`, `deepen-since ${1_600_000_000 + 12 * 61}`, 'done'],
    'to everything but a branch': () => [`want ${c(19)}`, 'deepen-not side-13', 'done'],
    'to a blobless clone': () => [`want ${c(19)}`, 'filter blob:none', 'done'],
    'to a treeless clone': () => [`want ${c(19)}`, 'filter tree:0', 'done'],
    'to combined filters': () => [`want ${c(19)}`, 'filter combine:blob:limit=10+tree:2', 'done'],
    'to a filter by type': () => [`want ${c(19)}`, 'filter object:type=commit', 'done'],
    'to a commit that no ref names': () => [`want ${c(3)}`, 'done'],
    'to an object that is nowhere': () => [`want ${nowhere}`, 'done'],
  };
  for (const [name, args] of Object.entries(cases)) {
    test(name, async () => {
      const input = command(...args());
      assert.deepEqual(await ours(input, 2, true), await real(input, 2, true));
    });
  }

  test('to several commands in one dialogue', async () => {
    const input = packets(
      packets('command=ls-refs', 'object-format=sha1', '0001', 'ref-prefix refs/heads/main', '0000'),
      packets('command=fetch', 'object-format=sha1', '0001', `want ${c(19)}`, `have ${nowhere}`, '0000'),
      packets('command=fetch', 'object-format=sha1', '0001', `want ${c(19)}`, `have ${c(18)}`, '0000'),
      '0000',
    );
    assert.deepEqual(await ours(input, 2, false), await real(input, 2, false));
  });

  test('to requests put together at random', async () => {
    const index = fc.nat({ max: parentsOf.length - 1 });
    const some = fc.uniqueArray(index, { maxLength: 4 });
    const shape = fc.record({
      wants: fc.uniqueArray(index, { minLength: 1, maxLength: 3 }),
      haves: some,
      shallows: fc.uniqueArray(index, { maxLength: 2 }),
      depth: fc.option(fc.constantFrom(1, 2, 3, 5, 0x7fffffff)),
      relative: fc.boolean(),
      flags: fc.subarray(['done', 'wait-for-done', 'thin-pack', 'ofs-delta', 'include-tag', 'no-progress']),
    });
    const oldWant = {
      wants: [0, 17],
      haves: [15, 14],
      shallows: [],
      depth: 3 as const,
      relative: false,
      flags: ['done'],
    };
    await fc.assert(
      fc.asyncProperty(shape, async ({ wants, haves, shallows, depth, relative, flags }) => {
        const input = command(
          ...flags,
          ...wants.map((each) => `want ${c(each)}`),
          ...shallows.map((each) => `shallow ${c(each)}`),
          ...(depth === null ? [] : [`deepen ${depth}`]),
          ...(relative && depth !== null ? ['deepen-relative'] : []),
          ...haves.map((each) => `have ${c(each)}`),
        );
        const [us, them] = [await ours(input, 2, true), await real(input, 2, true)];
        assert.deepEqual(us.lines, them.lines, input.toString());
        // Git forgets a have that is the parent of another one, even where the client is shallow.
        const isNeeded = (oid: string): boolean => them.objects.includes(oid);
        if (shallows.length > 0) assert.ok(us.objects.every(isNeeded), input.toString());
        else if (depth === null) assert.deepEqual(us.objects, them.objects, input.toString());
        else {
          // With a depth git now and then sends a wanted commit that is far below a have, too.
          const had = await reachedBy(haves);
          const sent = [...us.objects, ...them.objects.filter((oid) => had.has(oid))];
          assert.deepEqual([...new Set(sent)].toSorted(), them.objects, input.toString());
        }
      }),
      { numRuns: 60, seed: 20_231_107, examples: [[oldWant]] },
    );
  });
});

const modes = ['', 'multi_ack', 'multi_ack_detailed', 'multi_ack_detailed no-done'];
const bands = ['', 'side-band', 'side-band-64k'];

describe('a fetch in version 0 is answered as by git', () => {
  for (const mode of modes) {
    for (const stateless of [true, false]) {
      const how = `${mode === '' ? 'single ack' : mode}, ${stateless ? 'stateless' : 'in a dialogue'}`;

      test(`with rounds of haves, ${how}`, async () => {
        const rounds: readonly (readonly string[])[] = [
          [`have ${nowhere}`, `have ${c(14)}`, '0000'],
          [`have ${c(11)}`, `have ${nowhere}`, '0000'],
          [`have ${c(16)}`, '0000'],
        ];
        const wants = packets(`want ${c(19)} ${mode} ofs-delta thin-pack`, `want ${tags[1]}`, '0000');
        for (let count = 0; count <= rounds.length; count += 1) {
          for (const end of [[], ['done']]) {
            const input = Buffer.concat([wants, packets(...rounds.slice(0, count).flat(), ...end)]);
            const [us, git] = [await ours(input, 0, stateless), await real(input, 0, stateless)];
            assert.deepEqual(us, git, input.toString());
          }
        }
      });
    }
  }

  for (const mode of bands) {
    test(`with ${mode === '' ? 'no bands' : mode}`, async () => {
      const input = packets(`want ${c(19)} ${mode} no-progress`, '0000', 'done');
      const us = await ours(input, 0, true);
      assert.ok(us.objects.length > 10);
      assert.deepEqual(us, await real(input, 0, true));
    });
  }

  const cases: Readonly<Record<string, () => Buffer>> = {
    'that is shallow': () => packets(`want ${c(19)} shallow side-band-64k`, 'deepen 2', '0000', 'done'),
    'that asks for depth only': () => packets(`want ${c(19)} shallow side-band-64k`, 'deepen 2', '0000'),
    'that deepens': () =>
      packets(`want ${c(19)} side-band-64k`, `shallow ${c(18)}`, 'deepen 4', '0000', `have ${c(19)}`, 'done'),
    'that deepens relatively': () =>
      packets(
        packets(`want ${c(19)} side-band-64k deepen-relative`, `shallow ${c(18)}`, 'deepen 1', '0000'),
        packets(`have ${c(19)}`, 'done'),
      ),
    'that unshallows': () =>
      packets(
        packets(`want ${c(19)} side-band-64k`, `shallow ${c(11)}`, `deepen ${infiniteDepth}`, '0000'),
        packets(`have ${c(19)}`, 'done'),
      ),
    'that is cut at a date': () =>
      packets(`want ${c(19)} side-band-64k`, `deepen-since ${1_600_000_000 + 12 * 61}`, '0000', 'done'),
    'of a shallow client': () =>
      packets(`want ${c(19)} side-band-64k`, `shallow ${c(11)}`, '0000', `have ${c(12)}`, 'done'),
    'that is filtered': () =>
      packets(`want ${c(19)} side-band-64k filter`, 'filter blob:none', '0000', 'done'),
    'that includes tags': () => packets(`want ${c(19)} side-band-64k include-tag`, '0000', 'done'),
    'of a commit that no ref names': () => packets(`want ${c(3)} side-band-64k`, '0000', 'done'),
    'of an object that is nowhere': () => packets(`want ${nowhere} side-band-64k`, '0000', 'done'),
    'that wants nothing': () => packets('0000'),
  };
  for (const [name, input] of Object.entries(cases)) {
    for (const stateless of [true, false]) {
      test(`${name}, ${stateless ? 'stateless' : 'in a dialogue'}`, async () => {
        assert.deepEqual(await ours(input(), 0, stateless), await real(input(), 0, stateless));
      });
    }
  }
});
