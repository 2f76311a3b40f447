import assert from 'node:assert/strict';
import { test } from 'node:test';
import { highlightLines, renderMarkdown, splitLines } from './markup.ts';

const bases = { linkBase: '/ada/hello/blob/main/docs', imageBase: '/ada/hello/raw/main/docs' };

test('nothing that a document holds can run', () => {
  const hostile = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '[x](javascript:alert(1))',
    '<a href="java\nscript:alert(1)">x</a>',
    '<svg onload=alert(1)><style>*{}</style></svg>',
    '<form action="/logout"><button>x</button></form>',
    '<iframe src="https://example.com"></iframe>',
    '<div style="position:fixed" onclick="x()">x</div>',
    '![x](data:text/html,<script>1</script>)',
  ];
  const markup = renderMarkdown(hostile.join('\n\n'), bases);
  assert.match(markup, /<a /);
  for (const dangerous of [
    /<script/i,
    /onerror/i,
    /href="java/i,
    /<svg/i,
    /<form/i,
    /<iframe/i,
    /style="pos/i,
    /onclick/i,
  ]) {
    assert.doesNotMatch(markup, dangerous);
  }
});

test('relative links and images lead into the repository', () => {
  const markup = renderMarkdown(
    '[a](guide.md#top) [b](../src/x.c) ![c](img/c.png) [d](https://example.com/) [e](#here)',
    bases,
  );
  assert.match(markup, /href="\/ada\/hello\/blob\/main\/docs\/guide\.md#top"/);
  assert.match(markup, /href="\/ada\/hello\/blob\/main\/src\/x\.c"/);
  assert.match(markup, /src="\/ada\/hello\/raw\/main\/docs\/img\/c\.png"/);
  assert.match(markup, /href="https:\/\/example\.com\/"/);
  assert.match(markup, /href="#here"/);
});

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
