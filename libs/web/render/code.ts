import hljs from 'highlight.js';
import { escapeHtml } from './escape.ts';

const languageByName: Readonly<Record<string, string>> = {
  makefile: 'makefile',
  dockerfile: 'dockerfile',
  'cmakelists.txt': 'cmake',
  '.bashrc': 'bash',
  '.gitconfig': 'ini',
  '.gitmodules': 'ini',
};

/** Minified code: its colours help nobody, and it is what highlighting is slowest at. */
const maxHighlightedLine = 5_000;

function languageOf(fileName: string): string | undefined {
  const lower = fileName.toLowerCase();
  const extension = /\.([^.]+)$/.exec(lower)?.[1] ?? '';
  const language = languageByName[lower] ?? extension;
  return hljs.getLanguage(language) === undefined ? undefined : language;
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
  // What follows the last newline is no line, also where tags close there.
  if (lines.at(-1)?.replaceAll(/<[^>]*>/g, '') === '') lines.pop();
  return lines;
}

/** One string of safe markup for each line of `text`; plain where the language is not known by its file name. */
export function highlightLines(text: string, fileName: string): readonly string[] {
  const language = languageOf(fileName);
  const isMinified = text.split('\n').some((line) => line.length > maxHighlightedLine);
  const markup =
    language === undefined || isMinified
      ? escapeHtml(text)
      : hljs.highlight(text, { language, ignoreIllegals: true }).value;
  return splitLines(markup);
}

/** Numbered table rows; each line has the anchor `#L1` and so on. */
export function codeRows(lines: readonly string[]): string {
  return lines
    .map((line, index) => {
      const id = `L${index + 1}`;
      return `<tr id="${id}"><td class="number"><a href="#${id}">${index + 1}</a></td><td>${line}</td></tr>\n`;
    })
    .join('');
}

/** A file as numbered table rows of safe markup. */
export function renderCode(text: string, fileName: string): string {
  return codeRows(highlightLines(text, fileName));
}

/** The same without colours: for when highlighting failed. */
export function plainCode(text: string): string {
  return codeRows(splitLines(escapeHtml(text)));
}

/** A fenced block of a document; `undefined` where its language is not known. */
export function highlightBlock(code: string, language: string): string | undefined {
  return hljs.getLanguage(language) === undefined
    ? undefined
    : hljs.highlight(code, { language, ignoreIllegals: true }).value;
}
