import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { type CatFileAnswer, CatFileDecoder } from './cat-file-protocol.ts';

const oid = 'e'.repeat(40);

const questions = fc.array(
  fc.record({
    contents: fc.boolean(),
    missing: fc.boolean(),
    bytes: fc.uint8Array({ maxLength: 30 }),
    maxBytes: fc.constantFrom(0, 10, 100),
  }),
  { minLength: 1, maxLength: 8 },
);

test('answers are the same wherever the chunks fall', () => {
  fc.assert(
    fc.property(questions, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (asked, cuts) => {
      const decoder = new CatFileDecoder();
      const printed: Buffer[] = [];
      const expected: CatFileAnswer[] = [];
      for (const { contents, missing, bytes, maxBytes } of asked) {
        decoder.expect({ contents, maxBytes });
        if (missing) {
          printed.push(Buffer.from(`${oid} missing\n`));
          expected.push({ line: { answer: 'missing' } });
          continue;
        }
        const line = { answer: 'object', oid, kind: 'blob', sizeBytes: bytes.length } as const;
        printed.push(Buffer.from(`${oid} blob ${bytes.length}\n`));
        if (contents) printed.push(Buffer.from(bytes), Buffer.from('\n'));
        expected.push(contents && bytes.length <= maxBytes ? { line, bytes: Buffer.from(bytes) } : { line });
      }
      const output = Buffer.concat(printed);
      const answers: CatFileAnswer[] = [];
      for (let at = 0, turn = 0; at < output.length; turn += 1) {
        const length = cuts[turn % cuts.length] ?? 1;
        answers.push(...decoder.feed(output.subarray(at, at + length)));
        at += length;
      }
      assert.deepEqual(answers, expected);
    }),
    fuzzRuns(200),
  );
});

test('an output that is none is noticed', () => {
  const feed = (text: string): CatFileAnswer[] => {
    const decoder = new CatFileDecoder();
    decoder.expect({ contents: true, maxBytes: 10 });
    return [...decoder.feed(Buffer.from(text))];
  };
  assert.throws(() => feed('usage: git cat-file\n'), RangeError);
  assert.throws(() => feed(`${oid} sculpture 7\n`), RangeError);
  assert.deepEqual(feed('abcd ambiguous\n'), [{ line: { answer: 'ambiguous' } }]);
});
