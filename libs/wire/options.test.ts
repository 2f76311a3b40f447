import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGitProtocol } from './options.ts';

for (const [text, version] of [
  [undefined, 0],
  ['', 0],
  ['version=0', 0],
  ['version=1', 1],
  ['version=2', 2],
  ['version=1:version=2', 2],
  ['version=2:version=1', 2],
  ['x=y:version=2:z', 2],
  ['version=3', 0],
  ['version=20', 0],
  ['Version=2', 0],
] as const) {
  test(`the Git-Protocol ${JSON.stringify(text)} asks for version ${version}`, () => {
    assert.equal(parseGitProtocol(text), version);
  });
}
