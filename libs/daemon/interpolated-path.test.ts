import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InterpolatedPath } from './interpolated-path.ts';

const expand = (template: string, host: string, path = '/x.git'): string =>
  new InterpolatedPath(template).expand({ path, host, localAddress: '192.0.2.1' });

test('every field stands for what the client said or met', () => {
  assert.equal(expand('/srv/%H%D', 'Git.Example.ORG'), '/srv/git.example.org/x.git');
  assert.equal(expand('/srv/%H/%P%D', 'example.org:9419'), '/srv/example.org/9419/x.git');
  assert.equal(expand('/srv/%H%D', '[2001:db8::1]:9419'), '/srv/2001:db8::1/x.git');
  assert.equal(expand('/srv/%IP%D', 'x'), '/srv/192.0.2.1/x.git');
  assert.equal(expand('/srv/100%%/%X%D', 'x'), '/srv/100%/%X/x.git');
  assert.equal(expand('/srv/%P%D', 'x'), '/srv//x.git');
});

test('a host names one directory at most, and a path is not looked into again', () => {
  assert.equal(expand('/srv/%H%D', '../..'), '/srv//x.git');
  assert.equal(expand('/srv/%H%D', '..//etc/..x..'), '/srv/etc.x/x.git');
  assert.equal(expand('/srv/%H/%P%D', 'a:../b'), '/srv/a/b/x.git');
  assert.equal(expand('/srv/%H%D', 'a', '/%H/%IP.git'), '/srv/a/%H/%IP.git');
  assert.equal(expand('/srv/%H%D', '%D'), '/srv/%d/x.git');
});

test('a template without the path, or with what is not there, is refused', () => {
  for (const template of ['/srv/%H', '/srv/%CH%D', '/srv/%%D'])
    assert.throws(() => new InterpolatedPath(template), /must have %D in it/, template);
});
