import MarkdownIt from 'markdown-it';
import sanitizeHtml from 'sanitize-html';
import { highlightBlock } from './code.ts';
import { escapeHtml } from './escape.ts';
import { headingSlugs } from './heading-slugs.ts';
import { taskLists } from './task-lists.ts';

/** Where a document is, so that its relative addresses lead into the repository. */
export interface DocumentPlace {
  /** Address of the file view at the document's revision, such as `/ada/hello/blob/main`. */
  readonly files: string;
  /** Address of raw files, for images. */
  readonly raw: string;
  /** The directory of the document, from the root of the repository; empty is the root. */
  readonly directory: string;
}

/** Ids that a document chooses begin like this, so that they cannot stand in for ids of the page around it. */
const idPrefix = 'doc-';

/** The page has its name as h1 and the document's name as h2: what is inside goes below. */
const topHeading = 3;

const markdownIt = new MarkdownIt({
  html: true,
  linkify: true,
  highlight: (code, language) => highlightBlock(code, language) ?? escapeHtml(code),
})
  .use(headingSlugs)
  .use(taskLists);

function withPrefix(fragment: string): string {
  return /^L\d+$/.test(fragment) ? fragment : `${idPrefix}${fragment}`;
}

/** The path that `relative` means inside the repository; it cannot lead out of it. */
function pathFrom(directory: string, relative: string): string {
  const path: string[] = relative.startsWith('/') ? [] : directory.split('/').filter((name) => name !== '');
  for (const name of relative.split('/')) {
    if (name === '..') path.pop();
    else if (name !== '.' && name !== '') path.push(name);
  }
  return path.map((name) => `/${encodeSegment(name)}`).join('');
}

/** Documents write addresses encoded or not; either comes out encoded once. */
function encodeSegment(name: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(name));
  } catch {
    return encodeURIComponent(name.toWellFormed());
  }
}

/** An address as a document has it, as it works on our page. */
export function rebase(address: string, base: string, directory: string): string {
  if (address.startsWith('#')) return address === '#' ? address : `#${withPrefix(address.slice(1))}`;
  if (/^[a-z][a-z0-9+.-]*:/i.test(address) || address.startsWith('//')) return address;
  const [, path = '', query = '', fragment = ''] = /^([^?#]*)(\?[^#]*)?(?:#(.*))?$/s.exec(address) ?? [];
  return `${base}${pathFrom(directory, path)}${query}${fragment === '' ? '' : `#${withPrefix(fragment)}`}`;
}

/** Maps the levels of a document's headings below the page's own, never skipping one on the way down. */
function headingLevels(): (tagName: string) => string {
  let previous = topHeading - 1;
  return (tagName) => {
    const wanted = Number(tagName.slice(1)) + topHeading - 1;
    previous = Math.min(wanted, previous + 1, 6);
    return `h${previous}`;
  };
}

type Attributes = sanitizeHtml.Attributes;

function prefixedId(attributes: Attributes): Attributes {
  const { id, name, ...others } = attributes;
  const anchor = id ?? name;
  return anchor === undefined || anchor === '' ? others : { ...others, id: `${idPrefix}${anchor}` };
}

function options(place: DocumentPlace): sanitizeHtml.IOptions {
  const level = headingLevels();
  const heading = (tagName: string, attributes: Attributes): sanitizeHtml.Tag => ({
    tagName: level(tagName),
    attribs: prefixedId(attributes),
  });
  return {
    allowedTags: [...sanitizeHtml.defaults.allowedTags, 'img', 'details', 'summary', 'del', 'ins'],
    allowedAttributes: {
      a: ['href', 'title', 'rel', 'id'],
      img: ['src', 'alt', 'title', 'width', 'height'],
      span: ['class'],
      code: ['class'],
      th: ['align', 'style'],
      td: ['align', 'style'],
      p: ['align'],
      div: ['align'],
      pre: ['tabindex'],
      ol: ['start'],
      ...Object.fromEntries([1, 2, 3, 4, 5, 6].map((number) => [`h${number}`, ['id', 'align']])),
    },
    allowedClasses: { span: ['hljs-*'], code: ['language-*'] },
    allowedStyles: { '*': { 'text-align': [/^(?:left|right|center)$/] } },
    allowedSchemes: ['http', 'https', 'mailto'],
    allowedSchemesByTag: { img: ['http', 'https', 'data'] },
    transformTags: {
      a: (tagName, attributes) => {
        const { href, ...others } = prefixedId(attributes);
        const link = href === undefined ? {} : { href: rebase(href, place.files, place.directory) };
        return { tagName, attribs: { ...others, ...link, rel: 'nofollow noopener' } };
      },
      img: (tagName, attributes) => {
        const { src, alt = '', ...others } = attributes;
        const source = src === undefined ? {} : { src: rebase(src, place.raw, place.directory) };
        return { tagName, attribs: { ...others, alt, ...source } };
      },
      // A block of code may be wider than the page: who has no mouse scrolls it by its focus.
      pre: (tagName) => ({ tagName, attribs: { tabindex: '0' } }),
      h1: heading,
      h2: heading,
      h3: heading,
      h4: heading,
      h5: heading,
      h6: heading,
    },
  };
}

/** Markdown as safe markup: whatever the document holds, no script, style, form or event handler comes through. */
export function renderMarkdown(text: string, place: DocumentPlace): string {
  return sanitizeHtml(markdownIt.render(text), options(place));
}
