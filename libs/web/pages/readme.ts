import { html } from 'hono/html';
import { collect } from '#base';
import type { TreeEntry } from '#git';
import type { Markup } from '../layout.ts';
import { revisionLink } from '../links.ts';
import type { Place } from '../revision.ts';
import { fileText } from '../text.ts';
import type { DocumentPlace } from '../render/markdown.ts';
import type { RepositoryView } from '../view.ts';

const readmeNames = ['readme.md', 'readme.markdown', 'readme', 'readme.txt', 'readme.rst', 'readme.adoc'];

export function isMarkdown(fileName: string): boolean {
  return /\.(?:md|markdown|mdown|mkd)$/i.test(fileName);
}

/** Where a document in `directory` is, for its links and images. */
export function documentPlace(view: RepositoryView, { revision }: Place, directory: string): DocumentPlace {
  return {
    files: revisionLink(view.name, 'blob', revision.address),
    raw: revisionLink(view.name, 'raw', revision.address),
    directory,
  };
}

/** The README of a directory, as far as there is one that can be shown. */
export async function readme(
  view: RepositoryView,
  place: Place,
  entries: readonly TreeEntry[],
): Promise<Markup> {
  const files = entries.filter((entry) => entry.kind === 'file' || entry.kind === 'executable');
  const found = readmeNames.flatMap((name) => files.filter((entry) => entry.name.toLowerCase() === name))[0];
  if (found === undefined) return html``;
  const fields = await view.agent.blob(found.oid);
  const { maxReadmeBytes } = view.application.settings;
  if (fields.binary || fields.sizeBytes === 0 || fields.sizeBytes > maxReadmeBytes) return html``;
  const { text } = fileText(await collect(view.agent.blobContent(found.oid), maxReadmeBytes));
  const content = isMarkdown(found.name)
    ? await view.application.renderer.markdown(
        { oid: found.oid, text },
        documentPlace(view, place, place.path),
      )
    : html`<pre tabindex="0">${text}</pre>`;
  return html`<section class="panel" aria-labelledby="readme">
    <header>
      <h2 id="readme">
        <a href="${revisionLink(view.name, 'blob', place.revision.address, found.path)}">${found.name}</a>
      </h2>
    </header>
    <div class="content document">${content}</div>
  </section>`;
}
