import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode } from '#base';
import { fuzzRuns } from '#test/fuzz';
import { parseFilterSpec } from './filter-spec.ts';

const valid: readonly (readonly [string, string])[] = [
  ['blob:none', 'blob:none'],
  ['blob:limit=0', 'blob:limit=0'],
  ['blob:limit=1k', 'blob:limit=1024'],
  ['blob:limit=2M', 'blob:limit=2097152'],
  ['blob:limit=1g', 'blob:limit=1073741824'],
  ['tree:0', 'tree:0'],
  ['tree:007', 'tree:7'],
  ['object:type=blob', 'object:type=blob'],
  ['object:type=tag', 'object:type=tag'],
  ['sparse:oid=main:.sparse', 'sparse:oid=main:.sparse'],
  ['combine:blob:none+tree:1', 'combine:blob%3Anone+tree%3A1'],
  ['combine:blob%3anone', 'combine:blob%3Anone'],
  ['combine:combine%3Ablob%253Anone', 'combine:combine%3Ablob%253Anone'],
];

const invalid = [
  '',
  'blob',
  'blob:',
  'blob:some',
  'blob:limit=',
  'blob:limit=-1',
  'blob:limit=1x',
  'blob:limit=99999999999999999999',
  'tree:',
  'tree:-1',
  'tree:x',
  'object:type=',
  'object:type=ref',
  'sparse:path=x',
  'sparse:oid=',
  'combine:',
  'combine:blob:none+',
  'combine:blob:none tree:0',
  'combine:%zz',
  'combine:%ff',
  'auto',
  'blob:none\n',
  `combine:${Array.from({ length: 65 }, () => 'tree:1').join('+')}`,
];

describe('a filter', () => {
  for (const [spec, canonical] of valid) {
    test(`${spec} is accepted as ${canonical}`, () => assert.equal(parseFilterSpec(spec), canonical));
  }
  for (const spec of invalid) {
    test(`${JSON.stringify(spec.slice(0, 40))} is refused`, () => {
      assert.throws(
        () => parseFilterSpec(spec),
        (error) => hasCode(error, 'invalid_argument'),
      );
    });
  }

  test('nested too deeply is refused', () => {
    let spec = 'blob:none';
    for (let depth = 0; depth < 7; depth += 1) spec = `combine:${encodeURIComponent(spec)}`;
    assert.equal(parseFilterSpec(spec), spec);
    for (let depth = 0; depth < 3; depth += 1) spec = `combine:${encodeURIComponent(spec)}`;
    assert.throws(
      () => parseFilterSpec(spec),
      (error) => hasCode(error, 'invalid_argument'),
    );
  });

  test('of any text is canonical once it is accepted', () => {
    const piece = fc.constantFrom(
      'blob',
      'tree',
      'combine',
      ':',
      '+',
      'none',
      'limit=',
      '1',
      'k',
      '%3A',
      '%',
      'é',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }).map((parts) => parts.join('')),
        (spec) => {
          let canonical: string;
          try {
            canonical = parseFilterSpec(spec);
          } catch (error) {
            assert.ok(hasCode(error, 'invalid_argument'), String(error));
            return;
          }
          assert.equal(parseFilterSpec(canonical), canonical);
        },
      ),
      fuzzRuns(200),
    );
  });
});

test('what the config does not allow is refused, wherever in the spec it is', () => {
  const rules = {
    byDefault: false,
    allowed: new Map([
      ['blob:none', true],
      ['combine', true],
      ['tree', true],
    ]),
    maxTreeDepth: 2,
  };
  assert.equal(parseFilterSpec('combine:blob:none+tree:2', rules), 'combine:blob%3Anone+tree%3A2');
  for (const [spec, message] of [
    ['blob:limit=1', "filter 'blob:limit' not supported"],
    ['object:type=blob', "filter 'object:type' not supported"],
    ['combine:blob:none+sparse:oid=main', "filter 'sparse:oid' not supported"],
    ['tree:3', 'tree filter allows max depth 2, but got 3'],
    ['combine:tree:1k+blob:none', 'tree filter allows max depth 2, but got 1024'],
  ] as const)
    assert.throws(() => parseFilterSpec(spec, rules), { code: 'permission_denied', message });
});

test('what git wants to have escaped inside combine stays escaped', () => {
  assert.equal(
    parseFilterSpec('combine:tree:1+sparse:oid=main%3Ait%27s%21'),
    'combine:tree%3A1+sparse%3Aoid%3Dmain%3Ait%27s%21',
  );
});
