import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkTarget } from './symbolic-link.ts';
import { submoduleUrl } from './submodule.ts';

test('a symbolic link is followed inside the repository only', () => {
  assert.equal(linkTarget('a/b/link', '../c/./d'), 'a/c/d');
  assert.equal(linkTarget('link', 'docs'), 'docs');
  assert.equal(linkTarget('a/link', '..'), '');
  assert.equal(linkTarget('a/link', '../../x'), undefined);
  assert.equal(linkTarget('link', '/etc/passwd'), undefined);
});

test('the repository of a submodule is the one whose section has its path', () => {
  const gitmodules = `
[submodule "one"]
	path = vendor/one
	url = https://example.com/one.git
[submodule "two"]
	url = "../two.git"
	path = vendor/two
	branch = main
[submodule "three"]
	path = vendor/three
`;
  assert.equal(submoduleUrl(gitmodules, 'vendor/one'), 'https://example.com/one.git');
  assert.equal(submoduleUrl(gitmodules, 'vendor/two'), '../two.git');
  assert.equal(submoduleUrl(gitmodules, 'vendor/three'), undefined);
  assert.equal(submoduleUrl(gitmodules, 'vendor'), undefined);
  assert.equal(submoduleUrl('', 'x'), undefined);
});
