import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fileText } from './text.ts';

test('UTF-8 is read as it is, without a byte order mark', () => {
  const { text, encoding } = fileText(Buffer.from('\ufeffGrüße\n'));
  assert.deepEqual([text, encoding], ['Grüße\n', 'UTF-8']);
});

test('what is no UTF-8 is read as Windows-1252', () => {
  const { text, encoding } = fileText(Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x80]));
  assert.deepEqual([text, encoding], ['café€', 'Windows-1252']);
});

test('line endings are named and shown as line ends', () => {
  const endings = (text: string): string => fileText(Buffer.from(text)).lineEnding;
  assert.deepEqual(['a', 'a\n', 'a\r\nb\r\n', 'a\r\nb\n'].map(endings), ['none', 'LF', 'CRLF', 'mixed']);
  assert.equal(fileText(Buffer.from('a\r\nb')).text, 'a\nb');
  assert.equal(fileText(Buffer.from('a\r\nb')).endsWithNewline, false);
  assert.equal(fileText(Buffer.from('a\n')).endsWithNewline, true);
});

test('characters that change the direction of text are found', () => {
  assert.equal(fileText(Buffer.from('a\u202eb')).hasBidiControls, true);
  assert.equal(fileText(Buffer.from('שלום')).hasBidiControls, false);
});

test('any bytes are some text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.ok(fileText(bytes).text.isWellFormed());
    }),
  );
});
