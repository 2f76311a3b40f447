import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { parseRootTarget } from './root-target.ts';

const oid = 'a'.repeat(40);
const long = 'b'.repeat(64);

test('files of the dumb protocol are recognised at any depth', () => {
  for (const name of [
    'HEAD',
    'info/refs',
    'objects/info/packs',
    'objects/info/alternates',
    'objects/info/http-alternates',
    `objects/aa/${oid.slice(2)}`,
    `objects/bb/${long.slice(2)}`,
    `objects/pack/pack-${oid}.pack`,
    `objects/pack/pack-${long}.idx`,
  ]) {
    for (const path of ['x', 'group/x.git', 'a b/c/d/.git']) {
      const target = `/${encodeURI(path)}/${name}`;
      assert.deepEqual(parseRootTarget('GET', target), { kind: 'file', path, name }, target);
    }
  }
});

test('what is no such file belongs to nobody', () => {
  for (const name of [
    '',
    'x.git',
    'x.git/refs/heads/main',
    'x.git/config',
    'x.git/HEAD/',
    'x.git/objects/info/commit-graph',
    `x.git/objects/AA/${oid.slice(2)}`,
    `x.git/objects/aa/${oid.slice(3)}`,
    `x.git/objects/pack/pack-${oid}.bitmap`,
    'x.git/objects/pack/pack-1.pack',
    'x.git/git-upload-pack/more',
  ]) {
    assert.equal(parseRootTarget('GET', `/${name}`), undefined, name);
  }
});

test('advertisements and calls are recognised, and the last service counts', () => {
  assert.deepEqual(parseRootTarget('HEAD', '/x.git/info/refs?service=&service=git-receive-pack'), {
    kind: 'advertisement',
    path: 'x.git',
    service: 'receive-pack',
  });
  assert.deepEqual(parseRootTarget('POST', 'http://proxy:80/a/b/git%2Dupload-archive'), {
    kind: 'rpc',
    path: 'a/b',
    service: 'upload-archive',
  });
});

test('refusals are those of git http-backend', () => {
  const refusal = (method: string, target: string): unknown => {
    const parsed = parseRootTarget(method, target);
    return parsed?.kind === 'refused' ? [parsed.status, parsed.allow] : parsed;
  };
  assert.deepEqual(refusal('POST', '/x.git/info/refs?service=git-upload-pack'), [405, 'GET, HEAD']);
  assert.deepEqual(refusal('PUT', '/x.git/HEAD'), [405, 'GET, HEAD']);
  assert.deepEqual(refusal('GET', '/x.git/git-upload-pack'), [405, 'POST']);
  for (const service of ['', 'git-shell', 'upload-pack', 'git-upload-archive']) {
    assert.deepEqual(refusal('GET', `/x.git/info/refs?service=${service}`), [403, undefined], service);
  }
  for (const path of ['/../x.git', '/%2e%2e/x.git', '/a/./b', '/a%00', '/%ff', '/a%5cb', '']) {
    assert.deepEqual(refusal('GET', `${path}/HEAD`), [400, undefined], path);
  }
});

test('whatever is sent, no path that is passed on climbs out of a directory', () => {
  const piece = fc.constantFrom(
    '..',
    '.',
    '%2e',
    '/',
    '%2f',
    '\\',
    '%00',
    'a',
    '.git',
    '%25',
    '//',
    'HEAD',
    '/info/refs',
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const parsed = parseRootTarget('GET', `/${pieces.join('')}`);
      if (parsed?.kind !== 'file') return;
      assert.ok(!parsed.path.startsWith('/'));
      assert.ok(parsed.path.split('/').every((segment) => segment !== '..' && segment !== '.'));
    }),
    fuzzRuns(200),
  );
});
