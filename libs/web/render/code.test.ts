import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { codeRows, highlightLines, plainCode, renderCode, splitLines } from './code.ts';

test('each line of highlighted code stands alone', () => {
  const lines = highlightLines('/* one\ntwo */\nint x = "<b>";\n', 'a.c');
  assert.equal(lines.length, 3);
  for (const line of lines) {
    assert.equal((line.match(/<span/g) ?? []).length, (line.match(/<\/span>/g) ?? []).length, line);
  }
  assert.ok(lines[2]?.includes('&lt;b&gt;'));
});

test('text of an unknown kind is escaped and not highlighted', () => {
  assert.deepEqual(highlightLines('<script>&', 'notes.unknown'), ['&#60;script&#62;&#38;']);
  assert.deepEqual(splitLines(''), []);
});

test('minified code is not highlighted', () => {
  assert.doesNotMatch(renderCode(`var a=1;${'b()+'.repeat(3_000)}0\n`, 'a.js'), /<span/);
});

test('every line has its number and its anchor', () => {
  assert.equal(codeRows(['a']), '<tr id="L1"><td class="number"><a href="#L1">1</a></td><td>a</td></tr>\n');
});

test('whatever a file holds, its markup has no tag of its own and as many rows as lines', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '&',
    '"',
    "'",
    '\n',
    '/*',
    '*/',
    'int',
    '</td>',
    '<script>',
    ' ',
    '`',
    '${',
  );
  const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(text, fc.constantFrom('a.js', 'a.c', 'a.html', 'a.md', 'a.php', 'plain'), (content, name) => {
      for (const rows of [renderCode(content, name), plainCode(content)]) {
        const tags = new Set(rows.match(/<\/?[a-z]+/g));
        for (const own of ['<tr', '</tr', '<td', '</td', '<a', '</a', '<span', '</span']) tags.delete(own);
        assert.deepEqual([...tags], []);
        const lines = content.split('\n').length - (content.endsWith('\n') || content === '' ? 1 : 0);
        assert.equal(rows.match(/<tr /g)?.length ?? 0, lines);
      }
    }),
  );
});
