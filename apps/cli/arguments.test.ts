import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExpiry, parseRepositoryName, parseScopes, scopeName, scopeNames } from './arguments.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

test('an expiry is a span, a date or never', () => {
  assert.equal(parseExpiry('90d', now)?.toISOString(), '2026-04-01T00:00:00.000Z');
  assert.equal(parseExpiry('12h', now)?.toISOString(), '2026-01-01T12:00:00.000Z');
  assert.equal(parseExpiry('2w', now)?.toISOString(), '2026-01-15T00:00:00.000Z');
  assert.equal(parseExpiry('2030-12-31', now)?.toISOString(), '2030-12-31T00:00:00.000Z');
  assert.equal(parseExpiry('2030-12-31T10:00:00Z', now)?.toISOString(), '2030-12-31T10:00:00.000Z');
  assert.equal(parseExpiry('never', now), undefined);
});

test('an expiry that means nothing, or lies in the past, is refused', () => {
  for (const text of ['', '90', 'd', '-5d', '1.5d', '90days', 'soon', '31', '2030-13-01', '99999999d']) {
    assert.throws(() => parseExpiry(text, now), /Write 90d/, text);
  }
  for (const text of ['2025-12-31', '0d']) assert.throws(() => parseExpiry(text, now), /past/, text);
});

test('scopes may be repeated or separated by commas', () => {
  assert.deepEqual(parseScopes('repo:write', undefined), ['REPO_WRITE']);
  assert.deepEqual(parseScopes('repo:write, account', ['REPO_READ', 'ACCOUNT']), [
    'REPO_READ',
    'ACCOUNT',
    'REPO_WRITE',
  ]);
  assert.throws(() => parseScopes('repo', undefined), /repo:read, repo:write, account, admin/);
  assert.throws(() => parseScopes('', undefined), /one of/);
  for (const [shown, api] of Object.entries(scopeNames)) assert.equal(scopeName(api), shown);
});

test('a repository may be named as in its URL', () => {
  for (const text of ['ada/hello', 'ada/hello.git', '/ada/hello.git', 'ada/hello/']) {
    assert.deepEqual(parseRepositoryName(text), { owner: 'ada', name: 'hello' });
  }
  for (const text of ['', 'hello', 'ada/', '/hello', 'a/b/c', 'a b/c', 'ada/.git/x']) {
    assert.throws(() => parseRepositoryName(text), /OWNER\/NAME/, text);
  }
});
