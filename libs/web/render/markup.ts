import hljs from 'highlight.js';
import MarkdownIt from 'markdown-it';
import sanitizeHtml from 'sanitize-html';

/** Where relative addresses of a document lead. */
export interface MarkdownBases {
  readonly linkBase: string;
  readonly imageBase: string;
}

const languageByName: Readonly<Record<string, string>> = {
  makefile: 'makefile',
  dockerfile: 'dockerfile',
  'cmakelists.txt': 'cmake',
  '.bashrc': 'bash',
  '.gitconfig': 'ini',
};

function languageOf(fileName: string): string | undefined {
  const lower = fileName.toLowerCase();
  const extension = /\.([^.]+)$/.exec(lower)?.[1] ?? '';
  const language = languageByName[lower] ?? extension;
  return hljs.getLanguage(language) === undefined ? undefined : language;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Splits highlighted markup into lines; a span that is open at a line's end is closed there and opened again. */
export function splitLines(markup: string): readonly string[] {
  const open: string[] = [];
  const lines = markup.split('\n').map((line) => {
    const prefix = open.join('');
    for (const [tag] of line.matchAll(/<span[^>]*>|<\/span>/g)) {
      if (tag === '</span>') open.pop();
      else open.push(tag);
    }
    return prefix + line + '</span>'.repeat(open.length);
  });
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** One string of safe markup for each line of `text`; plain where the language is not known by its file name. */
export function highlightLines(text: string, fileName: string): readonly string[] {
  const language = languageOf(fileName);
  const markup =
    language === undefined
      ? escapeHtml(text)
      : hljs.highlight(text, { language, ignoreIllegals: true }).value;
  return splitLines(markup.replaceAll('\r', ''));
}

const markdownIt = new MarkdownIt({
  html: true,
  linkify: true,
  highlight: (code, language) =>
    hljs.getLanguage(language) === undefined
      ? escapeHtml(code)
      : hljs.highlight(code, { language, ignoreIllegals: true }).value,
});

function rebase(address: string | undefined, base: string): string | undefined {
  if (address === undefined || /^(?:[a-z][a-z0-9+.-]*:|\/\/|#)/i.test(address)) return address;
  const resolved = new URL(address.replace(/^\/+/, ''), `http://repository${base.replace(/\/?$/, '/')}`);
  return `${resolved.pathname}${resolved.search}${resolved.hash}`;
}

/** Markdown as safe markup: whatever the document holds, no script, style, form or event handler comes through. */
export function renderMarkdown(text: string, bases: MarkdownBases): string {
  return sanitizeHtml(markdownIt.render(text), {
    allowedTags: [...sanitizeHtml.defaults.allowedTags, 'img', 'details', 'summary', 'del', 'ins', 'input'],
    allowedAttributes: {
      a: ['href', 'title', 'rel'],
      img: ['src', 'alt', 'title', 'width', 'height'],
      span: ['class'],
      code: ['class'],
      th: ['align', 'style'],
      td: ['align', 'style'],
      p: ['align'],
      div: ['align'],
      input: ['type', 'checked', 'disabled'],
    },
    allowedClasses: { span: ['hljs-*'], code: ['language-*'] },
    allowedStyles: { '*': { 'text-align': [/^(?:left|right|center)$/] } },
    allowedSchemes: ['http', 'https', 'mailto'],
    allowedSchemesByTag: { img: ['http', 'https', 'data'] },
    transformTags: {
      a: (tagName, attributes) => {
        const href = rebase(attributes['href'], bases.linkBase);
        return {
          tagName,
          attribs: { ...attributes, ...(href !== undefined && { href }), rel: 'nofollow noopener' },
        };
      },
      img: (tagName, attributes) => {
        const source = rebase(attributes['src'], bases.imageBase);
        return { tagName, attribs: { ...attributes, ...(source !== undefined && { src: source }) } };
      },
      // Task lists are the only inputs that a document may have, and nobody can press them.
      input: (tagName, attributes) => ({
        tagName,
        attribs: { ...attributes, type: 'checkbox', disabled: '' },
      }),
    },
  });
}
