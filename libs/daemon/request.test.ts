import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode } from '#base';
import { fuzzRuns } from '#test/fuzz';
import { parseDaemonRequest } from './request.ts';

const parse = (text: string): ReturnType<typeof parseDaemonRequest> => parseDaemonRequest(Buffer.from(text));

test('requests are read as every generation of git sends them', () => {
  const base = { service: 'upload-pack', path: '/ada/engine.git', host: undefined, gitProtocol: undefined };
  assert.deepEqual(parse('git-upload-pack /ada/engine.git'), base);
  assert.deepEqual(parse('git-upload-pack /ada/engine.git\n'), base);
  const host = { ...base, host: 'example.com:9418' };
  assert.deepEqual(parse('git-upload-pack /ada/engine.git\0host=example.com:9418\0'), host);
  assert.deepEqual(parse('git-upload-pack /ada/engine.git\0HOST=example.com:9418\0\0version=2\0'), {
    ...host,
    gitProtocol: 'version=2',
  });
  assert.deepEqual(parse('git-upload-pack /ada/engine.git\0host=\0\0version=1\0sid=3\0'), {
    ...base,
    gitProtocol: 'version=1:sid=3',
  });
  assert.deepEqual(parse('git-upload-pack /ada/engine.git\0\0version=1\0').gitProtocol, 'version=1');
  assert.deepEqual(parse('git-receive-pack /a b/ü.git\0host=h\0'), {
    ...base,
    service: 'receive-pack',
    path: '/a b/ü.git',
    host: 'h',
  });
});

test('what is no request is refused', () => {
  for (const text of [
    '',
    '\0',
    'git-upload-pack',
    'upload-pack /a',
    'git-shell /a',
    'GET / HTTP/1.1\r\n',
    'git-upload-pack /a\0host=b\0version=2\0',
    'git-upload-pack /a\0version=2\0',
  ]) {
    assert.throws(
      () => parse(text),
      (error) => hasCode(error, 'invalid_argument'),
      JSON.stringify(text),
    );
  }
});

test('no bytes make the parser throw anything else', () => {
  const piece = fc.constantFrom(
    'git-upload-pack ',
    'git-receive-pack',
    '/',
    '\0',
    'host=',
    'version=2',
    '\n',
    ' ',
    '..',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece).map((pieces) => Buffer.from(pieces.join(''))),
        fc.uint8Array(),
      ),
      (bytes) => {
        try {
          const request = parseDaemonRequest(Buffer.from(bytes));
          assert.ok(!request.path.includes('\0'));
        } catch (thrown) {
          assert.ok(hasCode(thrown, 'invalid_argument'));
        }
      },
    ),
    fuzzRuns(200),
  );
});
