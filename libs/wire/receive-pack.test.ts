import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode, ManualClock, PackhorseError } from '#base';
import { serveReceivePack } from './receive-pack.ts';
import type { ReceivePackPolicy } from './repository.ts';
import { MemoryRepository, oidOf } from './testing/memory-repository.ts';
import { band, converse, type ConverseOptions, packets, transcript } from './testing/transcript.ts';

const zero = '0'.repeat(40);
const [a, b, side] = [oidOf('a'), oidOf('b'), oidOf('side')];
const pack = Buffer.from('PACK made up');
const main = 'refs/heads/main';

/** `main` at `b`, which follows `a`; `side` also follows `a`. */
function repositoryWith(policy: Partial<ReceivePackPolicy> = {}): MemoryRepository {
  const repository = new MemoryRepository()
    .graph({ a: [], b: ['a'], side: ['a'] })
    .branches({ [main]: 'b', 'refs/heads/old': 'a' });
  repository.receivePolicy = { ...repository.receivePolicy, ...policy };
  return repository;
}

function push(
  repository: MemoryRepository,
  input: Uint8Array | AsyncIterable<Uint8Array>,
  options: ConverseOptions = {},
): Promise<Buffer> {
  return converse((conversation, wire) => serveReceivePack(repository, conversation, wire), input, options);
}

function commands(capabilities: string, ...lines: readonly string[]): Buffer {
  const [first = '', ...others] = lines;
  return packets(`${first}\0${capabilities}`, ...others, '0000');
}

/** Pushes and reads the report. */
async function report(
  repository: MemoryRepository,
  capabilities: string,
  ...lines: string[]
): Promise<string[]> {
  const input = Buffer.concat([commands(`report-status ${capabilities}`, ...lines), pack]);
  return transcript(await push(repository, input));
}

test('a push creates, updates and deletes refs and reports each', async () => {
  const repository = repositoryWith();
  const lines = await report(
    repository,
    'delete-refs',
    `${zero} ${side} refs/heads/new`,
    `${b} ${side} ${main}`,
    `${a} ${zero} refs/heads/old`,
  );
  assert.deepEqual(lines, ['unpack ok', 'ok refs/heads/new', `ok ${main}`, 'ok refs/heads/old', '0000']);
  assert.deepEqual(
    repository.snapshot.refs.map((ref) => [ref.name, ref.oid]),
    [
      [main, side],
      ['refs/heads/new', side],
    ],
  );
  assert.equal(repository.quarantine.receivedBytes, pack.length);
  assert.ok(repository.quarantine.isDisposed);
});

test('the input may come one byte at a time', async () => {
  const repository = repositoryWith();
  const input = Buffer.concat([commands('report-status', `${b} ${side} ${main}`), pack]);
  const answer = await push(repository, input, { chunkBytes: 1 });
  assert.deepEqual(transcript(answer), ['unpack ok', `ok ${main}`, '0000']);
  assert.equal(repository.quarantine.receivedBytes, pack.length);
});

test('with bands the report travels on band 1 and ends twice', async () => {
  const repository = repositoryWith();
  const capabilities = 'report-status-v2 side-band-64k object-format=sha1';
  const answer = await push(
    repository,
    Buffer.concat([commands(capabilities, `${b} ${side} ${main}`), pack]),
  );
  assert.deepEqual(transcript(band(answer, 1)), ['unpack ok', `ok ${main}`, '0000']);
  assert.equal(answer.toString('latin1', answer.length - 4), '0000');
});

test('a client that asks for no report gets none', async () => {
  const repository = repositoryWith();
  const answer = await push(repository, Buffer.concat([commands('', `${b} ${side} ${main}`), pack]));
  assert.equal(answer.length, 0);
  assert.equal(repository.snapshot.get(main)?.oid, side);
});

test('only deletions come without a pack', async () => {
  const repository = repositoryWith();
  const input = commands('report-status delete-refs', `${a} ${zero} refs/heads/old`);
  assert.deepEqual(transcript(await push(repository, input)), ['unpack ok', 'ok refs/heads/old', '0000']);
  assert.equal(repository.quarantine.receivedBytes, 0);
});

test('nothing pushed is answered with nothing', async () => {
  for (const input of [Buffer.alloc(0), packets('0000')]) {
    assert.equal((await push(repositoryWith(), input)).length, 0);
  }
});

interface Refusal {
  readonly policy?: Partial<ReceivePackPolicy>;
  readonly line: string;
  readonly reason: string;
  readonly prepare?: (repository: MemoryRepository) => void;
}

const refusals: Readonly<Record<string, Refusal>> = {
  'a name outside of refs/': { line: `${zero} ${b} heads/x`, reason: 'funny refname' },
  'a name that climbs': { line: `${zero} ${b} refs/heads/../../config`, reason: 'funny refname' },
  'a name directly below refs/': { line: `${zero} ${b} refs/stash`, reason: 'funny refname' },
  'HEAD itself': { line: `${zero} ${b} HEAD`, reason: 'funny refname' },
  'a hidden ref': {
    policy: { hiddenRefs: ['refs/pull'] },
    line: `${zero} ${b} refs/pull/1/head`,
    reason: 'deny updating a hidden ref',
  },
  'deleting a hidden ref': {
    policy: { hiddenRefs: ['refs/pull'] },
    line: `${b} ${zero} refs/pull/1/head`,
    reason: 'deny deleting a hidden ref',
  },
  'a deletion where those are denied': {
    policy: { denyDeletes: true },
    line: `${a} ${zero} refs/heads/old`,
    reason: 'deletion prohibited',
  },
  'deleting the default branch': {
    line: `${b} ${zero} ${main}`,
    reason: 'deletion of the current branch prohibited',
  },
  'a branch that is checked out': {
    line: `${b} ${side} ${main}`,
    reason: 'branch is currently checked out',
    prepare: (repository) =>
      repository.checkedOut.set(main, { branch: main, path: '/work', gitDir: '/work/.git' }),
  },
  'a rewritten branch where that is denied': {
    policy: { denyNonFastForwards: true },
    line: `${b} ${side} ${main}`,
    reason: 'non-fast-forward',
  },
  'objects that lead nowhere': {
    line: `${zero} ${side} refs/heads/new`,
    reason: 'missing necessary objects',
    prepare: (repository) => repository.quarantine.behaviour.missing.add(side),
  },
  'a branch that names no commit': {
    line: `${zero} ${side} refs/heads/new`,
    reason: 'invalid new value provided',
    prepare: (repository) => repository.quarantine.behaviour.kinds.set(side, 'tag'),
  },
  'an old value that is not there any more': {
    line: `${a} ${side} ${main}`,
    reason: 'failed to update ref',
  },
};

describe('a push is refused', () => {
  for (const [name, { policy, line, reason, prepare }] of Object.entries(refusals)) {
    const ref = line.split(' ')[2] ?? '';

    test(`for ${name}, which does not stop other refs`, async () => {
      const repository = repositoryWith(policy);
      prepare?.(repository);
      const lines = await report(repository, '', line, `${zero} ${b} refs/heads/other`);
      assert.deepEqual(lines, ['unpack ok', `ng ${ref} ${reason}`, 'ok refs/heads/other', '0000']);
    });

    test(`for ${name}, and with it everything when atomic`, async () => {
      const repository = repositoryWith(policy);
      prepare?.(repository);
      const before = repository.snapshot;
      const lines = await report(repository, 'atomic', line, `${zero} ${b} refs/heads/other`);
      assert.equal(lines[1], `ng ${ref} ${reason}`);
      assert.match(lines[2] ?? '', /^ng refs\/heads\/other (atomic push failure|failed to update ref)$/);
      assert.deepEqual(repository.snapshot.refs, before.refs);
    });
  }

  test('for a ref that an earlier command has moved', async () => {
    const repository = repositoryWith();
    const line = `${b} ${side} ${main}`;
    const lines = await report(repository, '', line, line, `${zero} ${b} refs/heads/other`);
    const refusal = `ng ${main} multiple updates for one ref`;
    assert.deepEqual(lines, ['unpack ok', `ok ${main}`, refusal, 'ok refs/heads/other', '0000']);
  });

  test('with more words on band 2', async () => {
    const repository = repositoryWith({ denyNonFastForwards: true });
    const input = commands('report-status side-band-64k', `${b} ${side} ${main}`);
    const answer = await push(repository, Buffer.concat([input, pack]));
    const note = `error: denying non-fast-forward ${main} (you should pull first)\n`;
    assert.equal(band(answer, 2).toString(), note);
  });
});

test('a fast-forward and a tag pass where rewriting branches is denied', async () => {
  const repository = repositoryWith({ denyNonFastForwards: true });
  const lines = await report(repository, '', `${a} ${b} refs/heads/old`, `${zero} ${side} refs/tags/v1`);
  assert.deepEqual(lines, ['unpack ok', 'ok refs/heads/old', 'ok refs/tags/v1', '0000']);
});

test('a tag may name anything', async () => {
  const repository = repositoryWith();
  repository.quarantine.behaviour.kinds.set(side, 'blob');
  const lines = await report(repository, '', `${zero} ${side} refs/tags/v1`);
  assert.deepEqual(lines, ['unpack ok', 'ok refs/tags/v1', '0000']);
});

test('push options are handed on as they came, where they are accepted', async () => {
  const repository = repositoryWith({ advertisePushOptions: true });
  const input = Buffer.concat([
    commands('report-status push-options', `${b} ${side} ${main}`),
    packets('ci.skip\n', 'note=a\nb', 'ünï', '0000'),
    pack,
  ]);
  assert.deepEqual(transcript(await push(repository, input)), ['unpack ok', `ok ${main}`, '0000']);
  assert.deepEqual(repository.quarantine.commitOptions?.pushOptions, ['ci.skip', 'note=a\nb', 'ünï']);
});

test('shallow lines reach the indexer', async () => {
  const repository = repositoryWith();
  let shallows: readonly string[] = [];
  repository.quarantine.behaviour.beforeReturn = (options) => {
    shallows = options.clientShallows;
  };
  const input = packets(`shallow ${a}`, commands('report-status', `${b} ${side} ${main}`), pack);
  await push(repository, input);
  assert.deepEqual(shallows, [a]);
});

test('progress goes to band 2 unless the push is quiet', async () => {
  for (const [capabilities, expected] of [
    ['side-band-64k', 'Resolving deltas'],
    ['side-band-64k quiet', ''],
    ['', ''],
  ] as const) {
    const repository = repositoryWith();
    repository.quarantine.behaviour.beforeReturn = ({ onProgress }) =>
      onProgress?.(Buffer.from('Resolving deltas'));
    const input = Buffer.concat([commands(capabilities, `${b} ${side} ${main}`), pack]);
    assert.equal(band(await push(repository, input), 2).toString(), expected);
  }
});

test('a long silence is filled with keep-alive packets', async () => {
  const repository = repositoryWith();
  const clock = new ManualClock();
  repository.quarantine.behaviour.beforeReturn = async () => {
    for (let seconds = 0; seconds < 16; seconds += 1) {
      clock.advance(1_000);
      await Promise.resolve();
    }
  };
  const input = Buffer.concat([commands('report-status side-band-64k', `${b} ${side} ${main}`), pack]);
  const answer = await push(repository, input, { wire: { clock } });
  assert.equal(transcript(answer).filter((line) => line === '\u0001').length, 3);
  assert.deepEqual(transcript(band(answer, 1)), ['unpack ok', `ok ${main}`, '0000']);
  clock.advance(60_000);
});

describe('a push that fails', () => {
  const failure = new PackhorseError('invalid_argument', 'The pack is\ncorrupt.');
  const line = `${b} ${side} ${main}`;

  test('in its pack is reported, its quarantine forgotten and the rest of the input read', async () => {
    const repository = repositoryWith();
    repository.quarantine.behaviour.failure = failure;
    let readBytes = 0;
    async function* input(): AsyncGenerator<Uint8Array> {
      yield commands('report-status', line);
      for (let count = 0; count < 10; count += 1) {
        readBytes += pack.length;
        yield pack;
      }
    }
    const lines = transcript(await push(repository, input()));
    assert.deepEqual(lines, ['unpack The pack is corrupt.', `ng ${main} unpacker error`, '0000']);
    assert.equal(readBytes, 10 * pack.length);
    assert.ok(repository.quarantine.isDisposed);
    assert.equal(repository.quarantine.committed, undefined);
  });

  test('tells its report before it reads on, and reads on only so far', async () => {
    const repository = repositoryWith();
    repository.quarantine.behaviour.failure = failure;
    let reads = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield commands('report-status', line);
      for (;;) {
        reads += 1;
        yield pack;
      }
    }
    await push(repository, endless(), { limits: { maxDrainBytes: 100 } });
    assert.ok(reads < 20, String(reads));
  });

  test('waits for a client that is silent only so long', async () => {
    const repository = repositoryWith();
    repository.quarantine.behaviour.failure = failure;
    const clock = new ManualClock();
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield commands('report-status', line);
      yield pack;
      setImmediate(() => clock.advance(1_000));
      await new Promise<never>(() => undefined);
    }
    const answer = await push(repository, silent(), { wire: { clock }, limits: { drainTimeoutMs: 1_000 } });
    assert.equal(transcript(answer)[0], 'unpack The pack is corrupt.');
  });

  test('while refs are updated is reported with its reason', async () => {
    const repository = repositoryWith();
    repository.quarantine.behaviour.commitFailure = new PackhorseError('unavailable', 'Busy, try again.');
    assert.deepEqual(await report(repository, '', line), [
      'unpack ok',
      `ng ${main} Busy, try again.`,
      '0000',
    ]);
  });

  test('unexpectedly is reported in general words and thrown for the door to log', async () => {
    const repository = repositoryWith();
    repository.quarantine.behaviour.failure = new Error('secret path /x/y');
    const written: Uint8Array[] = [];
    const input = Buffer.concat([commands('report-status', line), pack]);
    await assert.rejects(push(repository, input, { written }), (error) => hasCode(error, 'internal'));
    assert.deepEqual(transcript(Buffer.concat(written)), [
      'unpack Something went wrong on the server.',
      `ng ${main} unpacker error`,
      '0000',
    ]);
  });

  test('because the client is gone is told to nobody', async () => {
    const repository = repositoryWith();
    repository.quarantine.behaviour.failure = new PackhorseError('cancelled', 'The client is gone.');
    const input = Buffer.concat([commands('report-status', line), pack]);
    await assert.rejects(push(repository, input), (error) => hasCode(error, 'cancelled'));
    assert.ok(repository.quarantine.isDisposed);
  });
});

test('a client that keeps its connection open behind the pack gets its report', async () => {
  const repository = repositoryWith();
  repository.quarantine.behaviour.packBytes = pack.length;
  async function* open(): AsyncGenerator<Uint8Array> {
    yield commands('report-status', `${b} ${side} ${main}`);
    yield pack;
    await new Promise<never>(() => undefined);
  }
  const answer = await push(repository, open(), { stateless: false });
  assert.deepEqual(transcript(answer), ['unpack ok', `ok ${main}`, '0000']);
});

const malformed: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'a command without new value': [packets(`${zero} ${main}\0`, '0000'), /expected old\/new\/ref/],
  'a command without name': [packets(`${zero} ${b} \0`, '0000'), /expected old\/new\/ref/],
  'upper-case ids': [packets(`${zero} ${b.toUpperCase()} ${main}`, '0000'), /expected old\/new\/ref/],
  'a shallow line that names nothing': [packets('shallow x', '0000'), /expected shallow sha/],
  'a signed push': [packets('push-cert\0report-status', '0000'), /signed pushes/],
  'push options that were not offered': [commands('push-options', `${zero} ${b} ${main}`), /push options/],
  'another hash': [commands('object-format=sha256', `${zero} ${b} ${main}`), /unsupported object format/],
  'a delimiter': [packets('0001'), /unexpected delim/],
  'an end in the middle of the commands': [
    packets(`${zero} ${b} ${main}\0report-status`),
    /ended in the middle/,
  ],
  'a bad line length': [Buffer.from('zzzz'), /bad line length/],
  'a name that is not UTF-8': [
    packets(Buffer.concat([Buffer.from(`005c${zero} ${b} refs/`), Buffer.from([0xff])])),
    /must be UTF-8/,
  ],
};

describe('a malformed push is refused in an ERR line', () => {
  for (const [name, [input, message]] of Object.entries(malformed)) {
    test(`for ${name}`, async () => {
      const repository = repositoryWith();
      const [line = '', ...others] = transcript(await push(repository, input));
      assert.match(line, /^ERR /);
      assert.match(line, message);
      assert.deepEqual(others, []);
      assert.equal(repository.quarantine.committed, undefined);
    });
  }

  test('or on band 3, once the client listens to bands', async () => {
    const input = commands('side-band-64k object-format=sha256', `${zero} ${b} ${main}`);
    assert.match(
      band(await push(repositoryWith(), input), 3).toString(),
      /unsupported object format 'sha256'\n/,
    );
  });

  test('for more commands than the limit', async () => {
    const lines = Array.from({ length: 11 }, (_, index) => `${zero} ${b} refs/heads/${index}`);
    const input = commands('report-status', ...lines);
    const [line] = transcript(await push(repositoryWith({ maxCommands: 10 }), input));
    assert.equal(line, 'ERR The push updates too many refs at once.');
  });

  test('for more push options than the limit', async () => {
    const input = Buffer.concat([
      commands('push-options', `${zero} ${b} ${main}`),
      packets(...Array.from({ length: 4 }, () => 'x'), '0000'),
    ]);
    const policy = { advertisePushOptions: true };
    const [line] = transcript(await push(repositoryWith(policy), input, { limits: { maxPushOptions: 3 } }));
    assert.equal(line, 'ERR The push has too many push options.');
  });
});

test('a reason that is too long for a line is cut', async () => {
  const repository = repositoryWith();
  repository.quarantine.behaviour.failure = new PackhorseError('invalid_argument', 'x'.repeat(100_000));
  const [line = ''] = await report(repository, '', `${b} ${side} ${main}`);
  assert.match(line, /^unpack x{60000,65516}$/);
});
