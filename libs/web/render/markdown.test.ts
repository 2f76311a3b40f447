import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { rebase, renderMarkdown, type DocumentPlace } from './markdown.ts';

const place: DocumentPlace = { files: '/ada/hello/blob/main', raw: '/ada/hello/raw/main', directory: 'docs' };

test('nothing that a document holds can run', () => {
  const hostile = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '[x](javascript:alert(1))',
    '<a href="java\nscript:alert(1)">x</a>',
    '<svg onload=alert(1)><style>*{}</style></svg>',
    '<form action="/logout"><button>x</button></form>',
    '<input type="text" autofocus>',
    '<iframe src="https://example.com"></iframe>',
    '<div style="position:fixed" onclick="x()">x</div>',
    '![x](data:text/html,<script>1</script>)',
  ];
  const markup = renderMarkdown(hostile.join('\n\n'), place);
  assert.match(markup, /<a /);
  for (const dangerous of [
    /<script/i,
    /onerror/i,
    /href="java/i,
    /<svg/i,
    /<form/i,
    /<input/i,
    /<iframe/i,
    /style="pos/i,
    /onclick/i,
  ]) {
    assert.doesNotMatch(markup, dangerous);
  }
});

test('relative links and images lead into the repository, seen from the document or from the root', () => {
  const markup = renderMarkdown(
    '[a](guide.md#top) [b](../src/x.c) ![c](img/c.png) ![r](/logo.svg) [d](https://example.com/) [l](/src/y.c#L3)',
    place,
  );
  assert.match(markup, /href="\/ada\/hello\/blob\/main\/docs\/guide\.md#doc-top"/);
  assert.match(markup, /href="\/ada\/hello\/blob\/main\/src\/x\.c"/);
  assert.match(markup, /src="\/ada\/hello\/raw\/main\/docs\/img\/c\.png"/);
  assert.match(markup, /src="\/ada\/hello\/raw\/main\/logo\.svg"/);
  assert.match(markup, /href="https:\/\/example\.com\/"/);
  assert.match(markup, /href="\/ada\/hello\/blob\/main\/src\/y\.c#L3"/);
});

test('no relative address leads out of the repository', () => {
  const segment = fc.constantFrom('..', '.', '', 'a b', '%2e%2e', '%', 'x', '\\', 'é');
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
      const path = segments.join('/');
      fc.pre(!path.startsWith('//') && !path.includes('%2e%2e'));
      const address = new URL(rebase(path, place.files, place.directory), 'http://here');
      assert.equal(address.host, 'here');
      assert.ok(address.pathname.startsWith(place.files), address.pathname);
    }),
  );
});

test('a link to a section finds its heading, under an id that the page does not use itself', () => {
  const markup = renderMarkdown(
    '[go](#the-end)\n\n# Main\n\n## The *End*!\n\n## The End\n\n<a name="old"></a>',
    place,
  );
  assert.match(markup, /href="#doc-the-end"/);
  assert.match(markup, /<h4 id="doc-the-end">/);
  assert.match(markup, /<h4 id="doc-the-end-1">/);
  assert.match(markup, /<a id="doc-old" rel/);
  assert.doesNotMatch(markup, /id="(?!doc-)/);
});

test('headings go below those of the page and skip no level', () => {
  const levels = (text: string): readonly string[] =>
    [...renderMarkdown(text, place).matchAll(/<h(\d)/g)].map(([, level]) => level ?? '');
  assert.deepEqual(levels('# a\n\n## b\n\n### c\n\n# d'), ['3', '4', '5', '3']);
  assert.deepEqual(levels('### a\n\n###### b\n\n<h1 align="center">c</h1>'), ['3', '4', '3']);
});

test('task lists are shown as boxes', () => {
  const markup = renderMarkdown('- [x] done\n- [ ] open\n- [y] neither\n\n[x] text', place);
  assert.match(markup, /<li>☑ done/);
  assert.match(markup, /<li>☐ open/);
  assert.match(markup, /<li>\[y\] neither/);
  assert.match(markup, /<p>\[x\] text/);
});
