import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode, PackhorseError } from '#base';
import { damaged, fuzzRuns } from '#test/fuzz';
import type { Conversation } from './conversation.ts';
import type { WireOptions } from './options.ts';
import { type ProcReceiveAnswer, type ProcReceiveRequest, talkToProcReceive } from './proc-receive.ts';
import { parseCertificate } from './push-certificate.ts';
import { serveReceivePack } from './receive-pack.ts';
import { MemoryRepository, oidOf } from './testing/memory-repository.ts';
import { chunked, converse, packets, transcript } from './testing/transcript.ts';
import { serveUploadPack } from './upload-pack.ts';

/** Whatever bytes a client sends, the conversation ends, and only in ways that a door knows. */

const [a, b] = [oidOf('a'), oidOf('b')];
const zero = '0'.repeat(40);

function newRepository(): MemoryRepository {
  const repository = new MemoryRepository().graph({ a: [], b: ['a'] }).branches({ 'refs/heads/main': 'b' });
  repository.uploadPolicy = {
    ...repository.uploadPolicy,
    allowFilter: true,
    allowRefInWant: true,
    allowSidebandAll: true,
    allowPackfileUris: true,
    advertiseObjectInfo: true,
    advertiseBundleUris: true,
    advertiseSessionId: true,
    promisorAdvertisement: 'name=lop,url=https://example.org',
    promisorRemotes: ['lop'],
    filterRules: { byDefault: true, allowed: new Map([['sparse:oid', false]]), maxTreeDepth: 3 },
  };
  repository.receivePolicy = { ...repository.receivePolicy, advertisePushOptions: true };
  return repository;
}

type Service = (repository: MemoryRepository) => (c: Conversation, o: WireOptions) => Promise<void>;

interface Target {
  readonly service: Service;
  readonly version: 0 | 2;
  /** Lines that mean something to it. */
  readonly lines: readonly string[];
  readonly sample: Buffer;
}

const fetchArguments = [
  'command=fetch',
  'command=ls-refs',
  'agent=git/2',
  'object-format=sha1',
  '0000',
  '0001',
  '0002',
  `want ${b}`,
  `want ${zero}`,
  `want ${b} side-band-64k multi_ack_detailed no-done`,
  `want ${b} side-band thin-pack filter shallow deepen-relative`,
  `have ${a}`,
  `have ${zero}`,
  'done',
  'wait-for-done',
  'sideband-all',
  'want-ref refs/heads/main',
  `shallow ${a}`,
  'deepen 1',
  'deepen 2147483647',
  'deepen -1',
  'deepen-relative',
  'deepen-since 1',
  'deepen-not main',
  'filter blob:none',
  'filter combine:tree:1+blob:limit=9',
  'ref-prefix refs/',
  'peel',
  'symrefs',
  'unborn',
  'command=object-info',
  'size',
  `oid ${b}`,
  'oid zz',
  'command=bundle-uri',
  'session-id=x',
  'session-id',
  'promisor-remote=lop;other',
  'promisor-remote=%zz',
  'packfile-uris https,http',
  'filter sparse:oid=main',
  'filter tree:4',
  'server-option=x',
  'object-format=sha256',
];

const targets: Readonly<Record<string, Target>> = {
  'upload-pack in version 0': {
    service: (repository) => (c, o) => serveUploadPack(repository, c, o),
    version: 0,
    lines: fetchArguments,
    sample: packets(`want ${b} multi_ack_detailed side-band-64k`, 'deepen 1', '0000', `have ${a}`, 'done'),
  },
  'upload-pack in version 2': {
    service: (repository) => (c, o) => serveUploadPack(repository, c, o),
    version: 2,
    lines: fetchArguments,
    sample: packets('command=fetch', '0001', `want ${b}`, `have ${a}`, 'deepen 2', 'done', '0000'),
  },
  'object-info': {
    service: (repository) => (c, o) => serveUploadPack(repository, c, o),
    version: 2,
    lines: fetchArguments,
    sample: packets('command=object-info', 'session-id=x', '0001', 'size', `oid ${b}`, '0000'),
  },
  'receive-pack': {
    service: (repository) => (c, o) => serveReceivePack(repository, c, o),
    version: 0,
    lines: [
      '0000',
      '0001',
      `${zero} ${b} refs/heads/new\0report-status side-band-64k atomic push-options quiet`,
      `${b} ${a} refs/heads/main\0report-status-v2`,
      `${b} ${zero} refs/heads/main`,
      `${zero} ${a} refs/heads/..`,
      `${zero} ${zero} refs/heads/nothing`,
      `shallow ${a}`,
      'push-cert\0push-cert=x',
      'option',
    ],
    sample: packets(`${zero} ${b} refs/heads/new\0report-status side-band-64k`, '0000', Buffer.from('PACK')),
  },
};

/** Runs one conversation; false when it ended with an error that only the door gets to see. */
async function run(target: Target, input: Buffer, stateless: boolean, chunkBytes: number): Promise<Buffer> {
  const repository = newRepository();
  const answering = converse(target.service(repository), input, {
    version: target.version,
    stateless,
    chunkBytes,
    limits: { maxHaves: 50, maxWants: 50, maxArgumentLines: 100, maxPushOptions: 5 },
  });
  const answer = await answering.catch((error: unknown) => {
    assert.ok(hasCode(error, 'cancelled'), error as Error);
    return Buffer.alloc(0);
  });
  assert.ok(!answer.includes('Something went wrong on the server'), input.toString('latin1'));
  return answer;
}

const anyChunk = fc.integer({ min: 1, max: 40 });

for (const [name, target] of Object.entries(targets)) {
  describe(`${name} ends well`, () => {
    test('for any bytes at all', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 200 }),
          fc.boolean(),
          anyChunk,
          async (bytes, stateless, size) => {
            await run(target, Buffer.from(bytes), stateless, size);
          },
        ),
        fuzzRuns(300),
      );
    });

    test('for any order of lines that mean something', async () => {
      const lines = fc.array(fc.constantFrom(...target.lines), { maxLength: 14 });
      await fc.assert(
        fc.asyncProperty(lines, fc.boolean(), anyChunk, async (chosen, stateless, size) => {
          const input = packets(...chosen);
          const answer = await run(target, input, stateless, size);
          const again = await run(target, input, stateless, 1);
          assert.deepEqual(transcript(again), transcript(answer), 'one byte at a time makes no difference');
        }),
        fuzzRuns(300),
      );
    });

    test('for a good request with some bytes changed or cut off', async () => {
      const changes = fc.array(fc.tuple(fc.nat(target.sample.length - 1), fc.integer({ min: 0, max: 255 })), {
        maxLength: 3,
      });
      await fc.assert(
        fc.asyncProperty(changes, fc.nat(target.sample.length), anyChunk, async (edits, length, size) => {
          const input = Buffer.from(target.sample);
          for (const [index, value] of edits) input[index] = value;
          await run(target, edits.length === 0 ? input.subarray(0, length) : input, true, size);
        }),
        fuzzRuns(300),
      );
    });

    test('when the client goes away at any moment', async () => {
      for (let length = 0; length <= target.sample.length; length += 1) {
        const gone = new PackhorseError('cancelled', 'The client is gone.');
        async function* input(): AsyncGenerator<Uint8Array> {
          yield target.sample.subarray(0, length);
          throw gone;
        }
        const served = converse(target.service(newRepository()), input(), { version: target.version });
        await served.catch((error: unknown) => assert.equal(error, gone));
      }
    });

    test('when the answer can no longer be written', async () => {
      const gone = new PackhorseError('cancelled', 'The client is gone.');
      const conversation: Conversation = {
        input: (async function* () {
          yield target.sample;
        })(),
        output: { write: () => Promise.reject(gone) },
        version: target.version,
        stateless: true,
        signal: new AbortController().signal,
      };
      const service = target.service(newRepository());
      await assert.rejects(
        converse((_, options) => service(conversation, options), Buffer.alloc(0)),
        (error) => error === gone,
      );
    });
  });
}

const procReceiveLines = [
  '0000',
  'version=1\0push-options',
  'version=x',
  'ok refs/for/main',
  'ng refs/for/main reason',
  'ok refs/heads/main',
  'ok',
  'maybe refs/for/main',
  'option fall-through',
  'option refname refs/pull/1',
  `option new-oid ${b}`,
  'option old-oid x',
  'option',
];

describe('the report of a proc-receive hook ends well', () => {
  const request: ProcReceiveRequest = {
    commands: [{ name: 'refs/for/main', oldOid: zero, newOid: b }],
    otherNames: new Set(['refs/heads/main']),
    atomic: true,
    pushOptions: ['x'],
    objectFormat: 'sha1',
  };
  const answerTo = async (input: Buffer, chunkBytes: number): Promise<ProcReceiveAnswer> => {
    const sink = { write: () => Promise.resolve() };
    const answer = await talkToProcReceive(request, chunked(input, chunkBytes), sink);
    const isGood = [...answer.results.values()].every((result) => result.kind !== 'ng');
    assert.ok(!answer.succeeded || (isGood && answer.results.size === 1 && answer.problems.length === 0));
    return answer;
  };
  const sameInPieces = async (input: Buffer): Promise<void> => {
    assert.deepEqual(await answerTo(input, 1), await answerTo(input, input.length + 1));
  };

  test('for any order of lines that mean something', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...procReceiveLines), { maxLength: 10 }), (lines) =>
        sameInPieces(packets('version=1', '0000', ...lines)),
      ),
      fuzzRuns(300),
    );
  });

  test('however it is damaged', async () => {
    const sample = packets(...procReceiveLines.slice(1, 2), '0000', ...procReceiveLines.slice(3, 5), '0000');
    await fc.assert(fc.asyncProperty(damaged(sample), sameInPieces), fuzzRuns(300));
  });
});

test('a push certificate ends well however it is damaged', () => {
  const sample = Buffer.from(
    `certificate version 0.1\npusher Ann <ann@example.org> 1700000000 +0000\nnonce 1-a\npush-option x\n\n${zero} ${b} refs/heads/new\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n`,
  );
  assert.deepEqual(parseCertificate(sample).commandLines, [`${zero} ${b} refs/heads/new`]);
  fc.assert(
    fc.property(damaged(sample), (bytes) => {
      try {
        parseCertificate(bytes);
      } catch (error) {
        assert.ok(error instanceof PackhorseError, error as Error);
      }
    }),
    fuzzRuns(1_000),
  );
});
