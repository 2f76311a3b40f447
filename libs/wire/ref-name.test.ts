import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { tryGit } from '#test/git';
import { isPushableRefName, isValidRefName } from './ref-name.ts';

const names = [
  'refs/heads/main',
  'refs/heads/feature/x',
  'refs/heads/ünïcödé/文件',
  'refs/heads/a.b',
  'refs/heads/a@b',
  'refs/heads/@',
  'refs/heads/-dash',
  'refs/heads/HEAD',
  'refs/heads/quote\'"',
  'refs/heads/a\u00a0b',
  'refs/heads/!',
  'refs/heads/{',
  'refs/heads/.lock/a',
  'refs/x',
  'HEAD',
  '@',
  'refs/@',
  'refs/heads/a..b',
  'refs/heads/.a',
  'refs/heads/a.',
  'refs/heads/a.lock',
  'refs/heads/a.lock/b',
  'refs/heads/a/',
  '/refs/heads/a',
  'refs//heads/a',
  'refs/heads/a b',
  'refs/heads/a~b',
  'refs/heads/a^b',
  'refs/heads/a:b',
  'refs/heads/a?b',
  'refs/heads/a*b',
  'refs/heads/a[b',
  'refs/heads/a\\b',
  'refs/heads/a@{b',
  'refs/heads/a\tb',
  'refs/heads/a\nb',
  'refs/heads/a\u007fb',
  'refs/heads/a\u0001b',
  'refs/heads/../../config',
];

async function gitAccepts(name: string): Promise<boolean> {
  return (await tryGit(['check-ref-format', name])).code === 0;
}

describe('git check-ref-format agrees', () => {
  for (const name of names) {
    test(`about ${JSON.stringify(name)}`, async () => {
      assert.equal(isValidRefName(name), await gitAccepts(name));
    });
  }

  test('about names put together at random from what is special', async () => {
    const pieces = [
      'a',
      '/',
      '.',
      '..',
      '@',
      '{',
      '@{',
      '.lock',
      ' ',
      '~',
      '-',
      'é',
      '\u007f',
      '*',
      '\\',
      'refs/',
    ];
    const name = fc
      .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(name, async (text) => {
        // A leading dash would be an option of check-ref-format itself.
        fc.pre(!text.startsWith('-'));
        assert.equal(isValidRefName(text), await gitAccepts(text), JSON.stringify(text));
      }),
      { numRuns: 60 },
    );
  });
});

test('a push may name refs below refs/ only, and what stands directly there only to delete it', () => {
  assert.ok(isPushableRefName('refs/heads/main', false));
  assert.ok(!isPushableRefName('HEAD', false));
  assert.ok(!isPushableRefName('heads/main', false));
  assert.ok(!isPushableRefName('refs/stash', false));
  assert.ok(isPushableRefName('refs/stash', true));
  assert.ok(!isPushableRefName('refs/', true));
  assert.ok(!isPushableRefName('refs/../config', true));
});
