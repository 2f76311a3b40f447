import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  descriptionProblem,
  emailProblem,
  loginProblem,
  nameKey,
  passwordProblem,
  repositoryNameProblem,
  titleProblem,
} from './names.ts';

test('ordinary names are fine', () => {
  for (const name of ['ada', 'Ada-L', 'ada_l', 'a.b', '0x', 'a', '_', 'x'.repeat(39)]) {
    assert.equal(loginProblem(name), undefined, name);
    assert.equal(repositoryNameProblem(name), undefined, name);
  }
  for (const name of ['graphql', 'settings', 'dot.files', 'git', 'x'.repeat(100)]) {
    assert.equal(repositoryNameProblem(name), undefined, name);
  }
});

for (const [name, sentence] of [
  ['', /must not be empty/],
  ['a b', /only contain letters/],
  ['a/b', /only contain letters/],
  ['naïve', /only contain letters/],
  ['a\0b', /only contain letters/],
  ['a\nb', /only contain letters/],
  ['.hidden', /must not begin/],
  ['-rf', /must not begin/],
  ['..', /must not begin/],
  ['a..b', /must not contain ".."/],
  ['a.', /must not end with "\."/],
  ['a.git', /must not end with ".git"/],
  ['a.GIT', /must not end with ".git"/],
  ['a.lock', /must not end with ".lock"/],
  ['x'.repeat(101), /must not be longer/],
] as const) {
  test(`neither a login nor a repository is called ${JSON.stringify(name).slice(0, 20)}`, () => {
    assert.match(loginProblem(name) ?? '', sentence);
    assert.match(repositoryNameProblem(name) ?? '', sentence);
  });
}

test('nobody takes a login that is a path of the server, or that stands for a token', () => {
  for (const name of [
    'graphql',
    'GraphQL',
    'healthz',
    'readyz',
    'metrics',
    'login',
    'settings',
    'api',
    'assets',
    'git',
  ]) {
    assert.match(loginProblem(name) ?? '', /reserved/, name);
  }
});

test('no accepted name can leave its place in a path or a URL', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (name) => {
      if (repositoryNameProblem(name) !== undefined) return;
      assert.equal(encodeURIComponent(name), name);
      assert.equal(new URL(`http://host/owner/${name}`).pathname, `/owner/${name}`);
      assert.doesNotMatch(name, /^[.-]|\.git$/i);
      assert.equal(nameKey(nameKey(name)), nameKey(name));
    }),
    { numRuns: 2000 },
  );
});

test('an email address has one line, one @ between two parts, and nothing that ends it in a commit', () => {
  for (const email of ['a@b', 'ada.lovelace+git@example.org', 'jürgen@example.org']) {
    assert.equal(emailProblem(email), undefined, email);
  }
  for (const email of [
    '',
    'ada',
    '@b',
    'a@',
    'a@b@c',
    'a b@c',
    'a@b\n',
    'a@b>',
    '<a@b',
    'a\0@b',
    `${'x'.repeat(254)}@b`,
  ]) {
    assert.notEqual(emailProblem(email), undefined, JSON.stringify(email));
  }
});

test('a password has a length between two limits, and is never mistaken for a token', () => {
  assert.equal(passwordProblem('correct horse'), undefined);
  assert.match(passwordProblem('short') ?? '', /at least 8/);
  assert.match(passwordProblem('x'.repeat(1025)) ?? '', /longer/);
  assert.match(passwordProblem('pht_something') ?? '', /must not begin/);
});

test('titles and descriptions are single lines of bounded length', () => {
  assert.equal(titleProblem('my laptop'), undefined);
  assert.match(titleProblem('  ') ?? '', /empty/);
  assert.match(titleProblem('a\u0007b') ?? '', /one line/);
  assert.match(titleProblem('x'.repeat(101)) ?? '', /longer/);
  assert.equal(descriptionProblem(''), undefined);
  assert.match(descriptionProblem('a\nb') ?? '', /one line/);
  assert.match(descriptionProblem('x'.repeat(501)) ?? '', /longer/);
});
