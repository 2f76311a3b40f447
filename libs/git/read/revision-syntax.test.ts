import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { parseRevision } from './revision-syntax.ts';

test('names, steps and paths are told apart', () => {
  assert.deepEqual(parseRevision('main'), { name: 'main', steps: [] });
  assert.deepEqual(parseRevision('@'), { name: 'HEAD', steps: [] });
  assert.deepEqual(parseRevision('v1.0~3^2^{tree}:a/b:c'), {
    name: 'v1.0',
    steps: [
      { step: 'ancestor', generations: 3 },
      { step: 'parent', number: 2 },
      { step: 'peel', to: 'tree' },
    ],
    path: 'a/b:c',
  });
  assert.deepEqual(parseRevision('x~^'), {
    name: 'x',
    steps: [
      { step: 'ancestor', generations: 1 },
      { step: 'parent', number: 1 },
    ],
  });
  assert.deepEqual(parseRevision('v1^{}:'), {
    name: 'v1',
    steps: [{ step: 'peel', to: 'anything but a tag' }],
    path: '',
  });
});

test('searches, reflogs, ranges and malformed revisions mean nothing', () => {
  const malformed = ['', ':', ':/fix', ':0:file', '^main', '~1', 'main~x', 'main^{', 'main^{sculpture}'];
  const unsupported = [
    'main@{1}',
    '@{upstream}',
    'main^{/fix}',
    'a..b',
    'a...b',
    'main^@',
    'main^!',
    'main^-',
  ];
  const refused = [...malformed, ...unsupported, 'main~1x', `main~${'9'.repeat(30)}`];
  for (const revision of refused) assert.equal(parseRevision(revision), undefined, revision);
});

test('any text is answered, quickly', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'ab~^{}:@/019.-\n'.split('')), maxLength: 200 }),
      (revision) => {
        const parsed = parseRevision(revision);
        assert.ok(parsed === undefined || parsed.name.length > 0);
      },
    ),
    fuzzRuns(200),
  );
});
