import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { parseGitTarget } from './git-target.ts';

const parse = parseGitTarget;

const upload = 'service=git-upload-pack';

test('an advertisement is recognised, with and without .git and at any depth', () => {
  for (const path of ['ada/engine.git', 'ada/engine', 'a/b/c/d.git']) {
    assert.deepEqual(parse('GET', `/${path}/info/refs?${upload}`), {
      kind: 'advertisement',
      path,
      service: 'upload-pack',
    });
  }
  assert.deepEqual(parse('HEAD', '/a/b.git/info/refs?x=1&service=git-receive-pack'), {
    kind: 'advertisement',
    path: 'a/b.git',
    service: 'receive-pack',
  });
});

test('a call of a service is recognised', () => {
  assert.deepEqual(parse('POST', '/a/b.git/git-receive-pack'), {
    kind: 'rpc',
    path: 'a/b.git',
    service: 'receive-pack',
  });
});

test('a path is percent-decoded exactly once', () => {
  const pathOf = (target: string) => {
    const parsed = parse('GET', `${target}/info/refs?${upload}`);
    return parsed?.kind === 'advertisement' ? parsed.path : parsed;
  };
  assert.equal(pathOf('/a/caf%C3%A9.git'), 'a/café.git');
  assert.equal(pathOf('/a/100%2525.git'), 'a/100%25.git');
  assert.equal(pathOf('http://host:80/a/b.git'), 'a/b.git');
});

test('an address that climbs, or holds what no name can hold, is refused', () => {
  const hostile = [
    '/../etc',
    '/a/%2e%2e/b',
    '/a/..%2fb',
    '/a/./b',
    '/a\\b',
    '/a/%5cb',
    '/a%00',
    '/a%0ab',
    '/%',
    '/%ff',
  ];
  for (const path of [...hostile, '', '/']) {
    for (const [method, rest] of [
      ['GET', `/info/refs?${upload}`],
      ['POST', '/git-upload-pack'],
    ] as const) {
      const parsed = parse(method, `${path}${rest}`);
      assert.equal(parsed?.kind === 'refused' && parsed.status, 400, `${path}${rest}`);
    }
  }
});

test('whatever is sent, no path that is passed on climbs out of a directory', () => {
  const piece = fc.constantFrom(
    '..',
    '.',
    '%2e',
    '%2E%2e',
    '/',
    '%2f',
    '\\',
    '%5c',
    '%00',
    'a',
    '.git',
    '%25',
    '//',
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const parsed = parse('GET', `/${pieces.join('')}/info/refs?${upload}`);
      if (parsed?.kind !== 'advertisement') return;
      assert.ok(!parsed.path.startsWith('/'));
      assert.ok(!/[\\\0]/.test(parsed.path));
      assert.ok(parsed.path.split('/').every((segment) => segment !== '..' && segment !== '.'));
    }),
    fuzzRuns(200),
  );
});

test('a wrong method is told which one is right', () => {
  const allowed = (method: string, target: string) => {
    const parsed = parse(method, target);
    return parsed?.kind === 'refused' && parsed.status === 405 ? parsed.allow : undefined;
  };
  assert.equal(allowed('POST', `/a/b.git/info/refs?${upload}`), 'GET, HEAD');
  assert.equal(allowed('OPTIONS', `/a/b.git/info/refs?${upload}`), 'GET, HEAD');
  assert.equal(allowed('GET', '/a/b.git/git-upload-pack'), 'POST');
  assert.equal(allowed('PUT', '/a/b/git-receive-pack'), 'POST');
});

test('the dumb protocol and unknown services are forbidden', () => {
  const oid = 'a'.repeat(38);
  for (const path of [
    'info/refs',
    'info/refs?service=git-upload-archive',
    'HEAD',
    'objects/info/packs',
    `objects/aa/${oid}`,
    'objects/pack/pack-1.idx',
  ]) {
    const parsed = parse('GET', `/a/b.git/${path}`);
    assert.equal(parsed?.kind === 'refused' && parsed.status, 403, path);
  }
});

test('pages of the web are left to the web, even when files in them have names of Git', () => {
  for (const target of [
    '/',
    '/ada/engine',
    '/ada/engine.git',
    '/ada/engine/HEAD',
    '/ada/engine/blob/main/git-upload-pack',
    '/ada/engine/blob/main/info/refs',
    '/ada/engine/blob/main/fixtures/x.git/HEAD',
    '/graphql',
  ]) {
    assert.equal(parse('GET', target), undefined, target);
  }
});
