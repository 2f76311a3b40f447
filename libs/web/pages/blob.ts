import { html } from 'hono/html';
import { collect, PackhorseError } from '#base';
import type { BlobFields, TreeEntry } from '#git';
import { formatSize } from '../format.ts';
import type { Markup } from '../layout.ts';
import { revisionLink } from '../links.ts';
import { permalink, placeBar } from '../place-bar.ts';
import { fileText, type FileText } from '../text.ts';
import type { LocatedPlace, RepositoryPage, RepositoryView } from '../view.ts';
import { imageType } from './raw.ts';
import { documentPlace, isMarkdown } from './readme.ts';
import { submodule } from './submodule.ts';
import { symbolicLink } from './symbolic-link.ts';

/** What is shown of a file, and what else is to be said about it. */
interface Shown {
  readonly body: Markup;
  readonly facts?: readonly string[];
  readonly warning?: Markup;
  /** A document can be seen as it reads and as it is written. */
  readonly isDocument?: boolean;
}

function codeTable(rows: Markup): Markup {
  return html`<div class="code" tabindex="0" role="region" aria-label="File content">
    <table>
      <thead class="hidden">
        <tr>
          <th scope="col">Line</th>
          <th scope="col">Content</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

function factsOf(text: FileText): readonly string[] {
  return [
    ...(text.encoding === 'UTF-8' ? [] : ['not UTF-8, shown as Windows-1252']),
    ...(text.lineEnding === 'CRLF' ? ['CRLF line endings'] : []),
    ...(text.lineEnding === 'mixed' ? ['mixed line endings'] : []),
    ...(text.endsWithNewline ? [] : ['no newline at the end']),
  ];
}

const bidiWarning = html`<p class="notice">
  This file holds characters that change the direction of text: it may read otherwise than it is processed.
</p>`;

async function textFile(view: RepositoryView, place: LocatedPlace, entry: TreeEntry): Promise<Shown> {
  const { maxRenderedBlobBytes } = view.application.settings;
  const file = fileText(await collect(view.agent.blobContent(entry.oid), maxRenderedBlobBytes));
  const { renderer } = view.application;
  const source = { oid: entry.oid, text: file.text };
  const isDocument = isMarkdown(entry.name);
  const about = { facts: factsOf(file), isDocument, ...(file.hasBidiControls && { warning: bidiWarning }) };
  if (!isDocument || view.context.req.query('plain') !== undefined) {
    return { body: codeTable(await renderer.code(source, entry.name)), ...about };
  }
  const directory = place.path.split('/').slice(0, -1).join('/');
  const document = await renderer.markdown(source, documentPlace(view, place, directory));
  return {
    body: html`<div class="content document" role="region" aria-label="File content">${document}</div>`,
    ...about,
  };
}

async function shownAs(
  view: RepositoryView,
  place: LocatedPlace,
  entry: TreeEntry,
  fields: BlobFields,
): Promise<Shown> {
  const rawAddress = revisionLink(view.name, 'raw', place.revision.address, place.path);
  const message = (text: Markup): Shown => ({ body: html`<p class="content">${text}</p>` });
  if (entry.kind === 'symlink') return message(await symbolicLink(view, place, entry));
  if (imageType(place.path) !== undefined) {
    return { body: html`<div class="content image"><img src="${rawAddress}" alt="${entry.name}" /></div>` };
  }
  if (fields.sizeBytes === 0) return message(html`This file is empty.`);
  if (fields.binary)
    return message(
      html`This is a binary file. <a href="${rawAddress}" download="${entry.name}">Download it</a>.`,
    );
  if (fields.sizeBytes > view.application.settings.maxRenderedBlobBytes) {
    return message(html`This file is too large to be shown here. <a href="${rawAddress}">Open it raw</a>.`);
  }
  return textFile(view, place, entry);
}

function fileLinks(view: RepositoryView, place: LocatedPlace, isDocument: boolean): Markup {
  const { revision, path } = place;
  const isPlain = view.context.req.query('plain') !== undefined;
  const other = isPlain
    ? html`<a href="${view.context.req.path}">Document</a>`
    : html`<a href="?plain">Source</a>`;
  return html`<span class="actions">
    ${isDocument ? other : ''}
    <a href="${revisionLink(view.name, 'raw', revision.address, path)}">Raw</a>
    <a href="${revisionLink(view.name, 'history', revision.address, path)}">History</a>
    ${permalink(view.name, place, 'blob')}
  </span>`;
}

async function filePage(
  view: RepositoryView,
  place: LocatedPlace,
  entry: TreeEntry,
): Promise<RepositoryPage> {
  const fields = await view.agent.blob(entry.oid);
  const shown = await shownAs(view, place, entry, fields);
  const facts = [
    formatSize(fields.sizeBytes),
    ...(entry.kind === 'executable' ? ['executable'] : []),
    ...(shown.facts ?? []),
  ];
  const content = html`${placeBar(view.name, place, 'blob')} ${shown.warning ?? ''}
    <section class="panel" aria-labelledby="file">
      <h2 id="file" class="hidden">${entry.name}</h2>
      <header>
        <span class="quiet">${facts.join(', ')}</span>
        ${fileLinks(view, place, shown.isDocument === true)}
      </header>
      ${shown.body}
    </section>`;
  return { title: place.path, tab: 'files', located: place, content };
}

async function submodulePage(
  view: RepositoryView,
  place: LocatedPlace,
  entry: TreeEntry,
): Promise<RepositoryPage> {
  const content = html`${placeBar(view.name, place, 'blob')}
    <section class="panel" aria-labelledby="file">
      <header>
        <h2 id="file">${entry.name}</h2>
        <span class="tag">submodule</span>
      </header>
      <p class="content">${await submodule(view, place, entry)}</p>
    </section>`;
  return { title: place.path, tab: 'files', located: place, content };
}

export async function showBlob(view: RepositoryView, address: string): Promise<Response> {
  const place = await view.locate(address);
  const entry = await view.agent.entry(place.revision.commitOid, place.path);
  if (entry === undefined) throw new PackhorseError('not_found', 'There is no file at this path.');
  if (entry.kind === 'tree') {
    return view.context.redirect(revisionLink(view.name, 'tree', place.revision.address, place.path), 302);
  }
  return view.unlessKnown([place.revision, place.choices, entry], () =>
    entry.kind === 'submodule' ? submodulePage(view, place, entry) : filePage(view, place, entry),
  );
}
