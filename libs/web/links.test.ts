import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  commitLink,
  compareLink,
  localPath,
  repositoryLink,
  revisionLink,
  signInLink,
  tagLink,
} from './links.ts';

const name = { ownerLogin: 'ada', name: 'hello' };
const anything = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });

test('addresses read as people would write them', () => {
  assert.equal(repositoryLink(name), '/ada/hello');
  assert.equal(revisionLink(name, 'tree', 'main'), '/ada/hello/tree/main');
  assert.equal(revisionLink(name, 'blob', 'feature/x', 'src/a b.c'), '/ada/hello/blob/feature/x/src/a%20b.c');
  assert.equal(commitLink(name, 'abc'), '/ada/hello/commit/abc');
  assert.equal(tagLink(name, 'v1.0'), '/ada/hello/tag/v1.0');
  assert.equal(compareLink(name), '/ada/hello/compare');
  assert.equal(compareLink(name, { base: 'main', head: 'a/b' }), '/ada/hello/compare/main...a/b');
  assert.equal(signInLink('/ada?x=1'), '/login?return=%2Fada%3Fx%3D1');
});

test('whatever a branch or a file is called, its address is that of one page and says its name', () => {
  fc.assert(
    fc.property(anything, anything, (revision, path) => {
      fc.pre(![revision, path].some((text) => text.split('/').some((part) => part === '.' || part === '..')));
      const address = revisionLink(name, 'blob', revision, path);
      assert.match(address, /^[\w/%.~!*'()-]+$/);
      const url = new URL(address, 'http://here');
      assert.equal(url.host + url.search + url.hash, 'here');
      const said = decodeURIComponent(url.pathname.slice('/ada/hello/blob/'.length));
      assert.equal(said, `${revision}/${path}`.toWellFormed());
    }),
  );
});

test('a path to come back to leads nowhere but to this site', () => {
  assert.equal(localPath('/ada/hello?x=1#y'), '/ada/hello?x=1#y');
  const hostile = [
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example/',
    '/\t/evil.example/',
    '/\n/evil.example/',
    '/.//evil.example/',
    '/x/..//evil.example/',
    'javascript:owned()',
    'evil',
    '',
    undefined,
  ];
  for (const path of hostile) assert.equal(localPath(path), '/', JSON.stringify(path));
  const pieces = fc.constantFrom(
    '/',
    '\\',
    '\t',
    '\r',
    '.',
    '..',
    'evil.example',
    ':',
    '@',
    '%2f',
    '%09',
    ' ',
    '?',
    '#',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
      const target = new URL(localPath(`/${parts.join('')}`), 'http://here');
      assert.equal(target.origin, 'http://here');
    }),
  );
});
