import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode, ManualClock, PackhorseError } from '#base';
import type { Conversation } from './conversation.ts';
import type { UploadPackPolicy } from './repository.ts';
import { MemoryRepository, oidOf, snapshotOf } from './testing/memory-repository.ts';
import {
  band,
  converse,
  type ConverseOptions,
  packets,
  testOptions,
  transcript,
} from './testing/transcript.ts';
import { serveUploadPack } from './upload-pack.ts';

const [a, b, c, side] = [oidOf('a'), oidOf('b'), oidOf('c'), oidOf('side')];

/** `main` at `c`, which follows `b` and `a`; `side` follows `a`, and only `refs/hidden/side` names it. */
function repositoryWith(policy: Partial<UploadPackPolicy> = {}): MemoryRepository {
  const repository = new MemoryRepository()
    .graph({ a: [], b: ['a'], c: ['b'], side: ['a'] })
    .branches({ 'refs/heads/main': 'c', 'refs/hidden/side': 'side' });
  repository.uploadPolicy = { ...repository.uploadPolicy, hiddenRefs: ['refs/hidden'], ...policy };
  return repository;
}

function serve(
  repository: MemoryRepository,
  input: Uint8Array | AsyncIterable<Uint8Array>,
  options: ConverseOptions = {},
): Promise<Buffer> {
  return converse((conversation, wire) => serveUploadPack(repository, conversation, wire), input, options);
}

function fetchV2(...args: readonly string[]): Buffer {
  return packets('command=fetch', '0001', ...args, '0000');
}

const clone = fetchV2(`want ${c}`, 'done');

test('a clone in version 2 is the packfile section on bands', async () => {
  const repository = repositoryWith();
  repository.packParts = [
    { kind: 'progress', bytes: Buffer.from('Counting') },
    { kind: 'data', bytes: Buffer.from('PACK') },
    { kind: 'data', bytes: Buffer.alloc(70_000, 'x') },
  ];
  const answer = await serve(repository, clone, { version: 2 });
  assert.equal(transcript(answer)[0], 'packfile');
  const section = answer.subarray(13);
  assert.equal(band(section, 1).toString(), `PACK${'x'.repeat(70_000)}`);
  assert.equal(band(section, 2).toString(), 'Counting');
  assert.equal(answer.toString('latin1', answer.length - 4), '0000');
});

test('everything that decides the bytes of a pack is in its request', async () => {
  const repository = repositoryWith({ allowFilter: true });
  const args = ['thin-pack', 'ofs-delta', 'include-tag', 'no-progress', 'filter blob:limit=1k'];
  await serve(repository, fetchV2(...args, `want ${c}`, `want ${c}`, `have ${a}`, `have ${a}`, 'done'), {
    version: 2,
  });
  const request = {
    wants: [c],
    haves: [a],
    clientShallows: [],
    newShallows: [],
    unshallows: [],
    thinPack: true,
    ofsDelta: true,
    includeTag: true,
    progress: false,
    filter: 'blob:limit=1024',
  };
  assert.deepEqual(repository.packRequests, [request]);
});

describe('with sideband-all', () => {
  test('every line of the answer travels on band 1', async () => {
    const repository = repositoryWith({ allowSidebandAll: true });
    const input = fetchV2('sideband-all', `want ${c}`, `have ${b}`);
    const lines = transcript(await serve(repository, input, { version: 2 }));
    assert.deepEqual(lines, [
      '\u0001acknowledgments',
      `\u0001ACK ${b}`,
      '\u0001ready',
      '0001',
      '\u0001packfile',
      '\u0001PACK made up',
      '0000',
    ]);
  });

  test('it is not understood unless it was offered', async () => {
    const [line] = transcript(await serve(repositoryWith(), fetchV2('sideband-all'), { version: 2 }));
    assert.equal(line, "ERR unexpected line: 'sideband-all'");
  });

  test('the next command of the dialogue is answered without bands again', async () => {
    const repository = repositoryWith({ allowSidebandAll: true });
    const again = packets('command=ls-refs', '0001', 'ref-prefix refs/heads/', '0000');
    const input = Buffer.concat([fetchV2('sideband-all', `want ${c}`, `have ${oidOf('?')}`), again]);
    const lines = transcript(await serve(repository, input, { version: 2, stateless: false }));
    assert.deepEqual(lines, ['\u0001acknowledgments', '\u0001NAK', '0000', `${c} refs/heads/main`, '0000']);
  });
});

describe('with ref-in-want', () => {
  test('refs are wanted by name and told with the pack', async () => {
    const repository = repositoryWith({ allowRefInWant: true });
    const input = fetchV2('want-ref refs/heads/main', `shallow ${b}`, 'done');
    const lines = transcript(await serve(repository, input, { version: 2 }));
    assert.deepEqual(lines.slice(0, 5), [
      'shallow-info',
      '0001',
      'wanted-refs',
      `${c} refs/heads/main`,
      '0001',
    ]);
    assert.deepEqual(repository.packRequests[0]?.wants, [c]);
  });

  for (const name of ['refs/heads/none', 'refs/hidden/side']) {
    test(`${name} is not told`, async () => {
      const repository = repositoryWith({ allowRefInWant: true });
      const lines = transcript(await serve(repository, fetchV2(`want-ref ${name}`, 'done'), { version: 2 }));
      assert.deepEqual(lines, [`ERR unknown ref ${name}`]);
    });
  }
});

describe('what may be wanted in version 0', () => {
  const policies: readonly (readonly [string, Partial<UploadPackPolicy>])[] = [
    ['nothing is allowed', {}],
    ['tips are', { allowTipSha1InWant: true }],
    ['reachable commits are', { allowReachableSha1InWant: true }],
    ['anything is', { allowAnySha1InWant: true }],
  ];
  const lost = oidOf('lost');
  // Which of: an advertised tip, a hidden tip, a reachable commit, an unreachable object.
  const dialogue = [
    [true, false, false, false],
    [true, true, false, false],
    [true, true, true, false],
    [true, true, true, true],
  ];
  const stateless = [[true, false, true, false], [true, true, true, false], dialogue[2], dialogue[3]];
  for (const [index, [name, policy]] of policies.entries()) {
    for (const isStateless of [false, true]) {
      test(`where ${name}, ${isStateless ? 'stateless' : 'in a dialogue'}`, async () => {
        const allowed = [];
        for (const oid of [c, side, b, lost]) {
          const repository = repositoryWith(policy);
          repository.others.add(lost);
          const input = packets(`want ${oid} ofs-delta`, '0000', 'done');
          const answer = await serve(repository, input, { stateless: isStateless });
          const isRefused = answer.toString().includes(`ERR upload-pack: not our ref ${oid}`);
          assert.notEqual(isRefused, repository.packRequests.length > 0);
          allowed.push(!isRefused);
        }
        assert.deepEqual(allowed, (isStateless ? stateless : dialogue)[index]);
      });
    }
  }
});

test('what a ref peels to may be wanted as well as the ref itself', async () => {
  const repository = repositoryWith();
  const tag = oidOf('tag');
  repository.others.add(tag);
  repository.snapshot = snapshotOf([{ name: 'refs/tags/v1', oid: tag, peeled: b }], {});
  await serve(repository, packets(`want ${tag} ofs-delta`, `want ${b}`, '0000', 'done'), {
    stateless: false,
  });
  assert.deepEqual(repository.packRequests[0]?.wants, [tag, b]);
});

test('in version 2 anything that exists may be wanted, as gitprotocol-v2 says', async () => {
  const repository = repositoryWith();
  await serve(repository, fetchV2(`want ${side}`, `want ${a}`, 'done'), { version: 2 });
  assert.deepEqual(repository.packRequests[0]?.wants, [side, a]);
});

test('a negotiation that would take too long goes on instead', async () => {
  const commits = Object.fromEntries(
    Array.from({ length: 200 }, (_, index) => [`${index}`, index === 0 ? [] : [`${index - 1}`]]),
  );
  const input = fetchV2(`want ${oidOf('199')}`, `have ${oidOf('0')}`);
  const lastLine = async (maxReadyWalkCommits: number): Promise<string | undefined> => {
    const repository = new MemoryRepository().graph(commits).branches({ 'refs/heads/main': '199' });
    const lines = transcript(await serve(repository, input, { version: 2, limits: { maxReadyWalkCommits } }));
    assert.ok(repository.lookups <= maxReadyWalkCommits);
    return lines[2];
  };
  assert.equal(await lastLine(250), 'ready');
  assert.equal(await lastLine(100), '0000');
});

test('a depth beyond what may be walked is refused', async () => {
  const input = fetchV2(`want ${c}`, 'deepen 3', 'done');
  const lines = transcript(
    await serve(repositoryWith(), input, { version: 2, limits: { maxDepthWalkCommits: 2 } }),
  );
  assert.deepEqual(lines, ['ERR The history is too long to be cut off at that depth.']);
});

test('a repository that is shallow itself says so in version 2', async () => {
  const repository = repositoryWith();
  repository.ownShallows.add(b);
  const lines = transcript(await serve(repository, clone, { version: 2 }));
  assert.deepEqual(lines.slice(0, 4), ['shallow-info', `shallow ${b}`, '0001', 'packfile']);
});

test('a silent producer is covered by keep-alive packets', async () => {
  const repository = repositoryWith();
  const clock = new ManualClock();
  repository.pack = async function* () {
    for (let seconds = 0; seconds < 11; seconds += 1) {
      clock.advance(1_000);
      await Promise.resolve();
    }
    yield { kind: 'data', bytes: Buffer.from('PACK') };
  };
  const lines = transcript(await serve(repository, clone, { version: 2, wire: { clock } }));
  assert.deepEqual(lines, ['packfile', '\u0001', '\u0001', '\u0001PACK', '0000']);
});

test('the next part of a pack is not produced before the client took the last one', async () => {
  const repository = repositoryWith();
  let produced = 0;
  repository.pack = async function* () {
    for (; produced < 3; produced += 1) {
      await Promise.resolve();
      yield { kind: 'data', bytes: Buffer.from('part') };
    }
  };
  const release: (() => void)[] = [];
  const conversation: Conversation = {
    input: (async function* () {
      yield clone;
    })(),
    output: { write: () => new Promise<void>((resolve) => release.push(resolve)) },
    version: 2,
    stateless: true,
    signal: new AbortController().signal,
  };
  const served = serveUploadPack(repository, conversation, testOptions);
  const seen: number[] = [];
  const isServed = served.then(() => true);
  const turn = (): Promise<false> => new Promise((resolve) => setImmediate(() => resolve(false)));
  while (!(await Promise.race([isServed, turn()]))) {
    seen.push(produced);
    release.shift()?.();
  }
  // The header, three parts and the flush, each only after the one before was taken.
  assert.deepEqual([...new Set(seen)], [0, 1, 2, 3]);
});

describe('a fetch that fails', () => {
  const failures = (thrown: Error): AsyncIterable<never> => ({
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(thrown) }),
  });

  test('for a reason that helps the client is told on band 3', async () => {
    const repository = repositoryWith();
    repository.pack = () => failures(new PackhorseError('resource_exhausted', 'The disk is full.'));
    const answer = await serve(repository, clone, { version: 2 });
    assert.equal(band(answer.subarray(13), 3).toString(), 'The disk is full.\n');
  });

  test('because the server is busy is left to a door that has a status for it', async () => {
    const repository = repositoryWith();
    repository.pack = () => failures(new PackhorseError('unavailable', 'Too many fetches, try again.'));
    const written: Uint8Array[] = [];
    const served = serve(repository, clone, { version: 2, written });
    await assert.rejects(served, (error) => hasCode(error, 'unavailable'));
    assert.deepEqual(written, []);
  });

  test('unexpectedly is told in general words and thrown for the door to log', async () => {
    const repository = repositoryWith();
    repository.pack = () => failures(new Error('secret path /x/y'));
    const written: Uint8Array[] = [];
    await assert.rejects(serve(repository, clone, { version: 2, written }), /secret path/);
    const text = Buffer.concat(written).toString();
    assert.ok(text.endsWith('\u0003Something went wrong on the server.\n'), text);
    assert.ok(!text.includes('secret'));
  });

  test('behind raw pack bytes says nothing that could be taken for more of them', async () => {
    const repository = repositoryWith();
    repository.pack = async function* () {
      yield { kind: 'data', bytes: Buffer.from('PACK') };
      await Promise.resolve();
      throw new PackhorseError('unavailable', 'Too many fetches, try again.');
    };
    const written: Uint8Array[] = [];
    const input = packets(`want ${c} ofs-delta`, '0000', 'done');
    await assert.rejects(serve(repository, input, { written }), (error) => hasCode(error, 'unavailable'));
    assert.equal(Buffer.concat(written).toString(), '0008NAK\nPACK');
  });

  test('because the client is gone is told to nobody', async () => {
    const repository = repositoryWith();
    repository.pack = () => failures(new PackhorseError('cancelled', 'The client is gone.'));
    await assert.rejects(serve(repository, clone, { version: 2 }), (error) => hasCode(error, 'cancelled'));
  });
});

const refused: readonly (readonly [string, 0 | 2, Buffer, string])[] = [
  ['an unknown command', 2, packets('command=push', '0000'), "invalid command 'push'"],
  ['no command', 2, packets('agent=x', '0000'), 'no command requested'],
  [
    'another hash',
    2,
    packets('command=fetch', 'object-format=sha256', '0000'),
    'mismatched object format: server sha1; client sha256',
  ],
  ['an unknown argument', 2, fetchV2('frob'), "unexpected line: 'frob'"],
  ['a filter that is not offered', 2, fetchV2('filter blob:none'), "unexpected line: 'filter blob:none'"],
  [
    'a want that is no id',
    2,
    fetchV2('want HEAD'),
    'git upload-pack: protocol error, expected to get oid, not',
  ],
  ['a depth of nothing', 2, fetchV2(`want ${c}`, 'deepen 0'), 'Invalid deepen: deepen 0'],
  [
    'a depth and a date',
    2,
    fetchV2(`want ${c}`, 'deepen 1', 'deepen-since 5'),
    'git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together',
  ],
  [
    'an unknown branch to leave out',
    2,
    fetchV2(`want ${c}`, 'deepen-not nowhere', 'done'),
    'git upload-pack: deepen-not is not a ref: deepen-not nowhere',
  ],
  ['two delimiters', 2, packets('command=fetch', '0001', '0001'), 'expected flush after fetch arguments'],
  ['an end in the middle', 2, packets('command=fetch', '0001'), 'The connection ended in the middle'],
  [
    'another line than a want',
    0,
    packets('hello', '0000'),
    'git upload-pack: protocol error, expected to get object',
  ],
  [
    'another hash',
    0,
    packets(`want ${c} object-format=sha256`, '0000'),
    "unsupported object format 'sha256'",
  ],
  ['a have that is no id', 0, packets(`want ${c} `, '0000', 'have x', 'done'), 'expected SHA1 list, got'],
  ['an end behind the wants', 0, packets(`want ${c} `), 'The connection ended in the middle'],
];

describe('a request is refused with the reason', () => {
  for (const [name, version, input, message] of refused) {
    test(`for ${name} in version ${version}`, async () => {
      const repository = repositoryWith();
      const lines = transcript(await serve(repository, input, { version, chunkBytes: 3 }));
      const last = lines.at(-1) ?? '';
      assert.ok(last.startsWith('ERR '), last);
      assert.ok(last.includes(message), last);
      assert.equal(repository.packRequests.length, 0);
    });
  }

  const limits = { maxWants: 5, maxHaves: 5, maxArgumentLines: 20 };
  const many = (word: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${word} ${oidOf(`${index}`)}`);
  const tooMany: readonly (readonly [string, 0 | 2, Buffer])[] = [
    ['wants', 2, fetchV2(...many('want', 6))],
    ['haves', 2, fetchV2(...many('have', 6))],
    ['shallow lines', 2, fetchV2(...many('shallow', 6))],
    ['branches left out', 2, fetchV2(...many('deepen-not', 6))],
    ['lines', 2, fetchV2(...many('have', 21))],
    ['capabilities', 2, packets(...many('x', 21), '0000')],
    ['wants', 0, packets(...many('want', 6), '0000')],
    ['haves', 0, packets(`want ${c} `, '0000', ...many('have', 6))],
    [
      'haves in several rounds',
      0,
      packets(`want ${c} `, '0000', ...many('have', 4), '0000', ...many('have', 2)),
    ],
  ];
  for (const [name, version, input] of tooMany) {
    test(`for too many ${name} in version ${version}`, async () => {
      const lines = transcript(
        await serve(repositoryWith(), input, { version, limits, stateless: version === 2 }),
      );
      assert.match(lines.at(-1) ?? '', /^ERR .*too many/);
    });
  }
});
