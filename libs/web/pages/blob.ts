import { Readable } from 'node:stream';
import { html, raw } from 'hono/html';
import { PackhorseError, collect } from '#base';
import type { BlobFields, TreeEntry } from '#git';
import { count, formatSize } from '../format.ts';
import type { Markup } from '../layout.ts';
import { revisionLink } from '../links.ts';
import { breadcrumbs } from '../repository-frame.ts';
import { resolvePlace, type Place } from '../revision.ts';
import type { RepositoryView } from '../view.ts';

const imageTypes: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  ico: 'image/x-icon',
  svg: 'image/svg+xml',
};

function imageType(path: string): string | undefined {
  return imageTypes[/\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? ''];
}

async function fileAt(view: RepositoryView, place: Place): Promise<TreeEntry> {
  const entry = await view.open.agent.entry(place.commitOid, place.path);
  if (entry === undefined || entry.kind === 'tree' || entry.kind === 'submodule') {
    throw new PackhorseError('not_found', 'There is no file at this path.');
  }
  return entry;
}

/** Numbered lines out of highlighted markup, which never spans a line break. */
function numberedLines(lines: readonly string[]): Markup {
  return html`<div class="code" tabindex="0" role="region" aria-label="File content">
    <table>
      <tbody>
        ${lines.map(
          (line, index) =>
            html`<tr id="L${String(index + 1)}">
              <td class="number"><a href="#L${String(index + 1)}">${String(index + 1)}</a></td>
              <td>${raw(line)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

async function content(
  view: RepositoryView,
  place: Place,
  entry: TreeEntry,
  fields: BlobFields,
): Promise<Markup> {
  const rawAddress = revisionLink(view.name, 'raw', place.revision, place.path);
  if (imageType(place.path) !== undefined) {
    return html`<div class="content readme"><img src="${rawAddress}" alt="${entry.name}" /></div>`;
  }
  if (fields.binary)
    return html`<p class="content">This is a binary file. <a href="${rawAddress}">Download it</a>.</p>`;
  const { maxRenderedBlobBytes } = view.application.settings;
  if (fields.sizeBytes > maxRenderedBlobBytes) {
    return html`<p class="content">
      This file is too large to be shown here. <a href="${rawAddress}">Open it raw</a>.
    </p>`;
  }
  const text = (await collect(view.open.agent.blobContent(entry.oid), maxRenderedBlobBytes)).toString('utf8');
  return numberedLines(await view.application.renderer.highlight(text, entry.name));
}

export async function showBlob(view: RepositoryView, address: string): Promise<Response> {
  const { agent } = view.open;
  const place = await resolvePlace(agent, address);
  const entry = await agent.entry(place.commitOid, place.path);
  if (place.path === '' || entry?.kind === 'tree') {
    return view.context.redirect(revisionLink(view.name, 'tree', place.revision, place.path), 302);
  }
  const file = await fileAt(view, place);
  const fields = await agent.blob(file.oid);
  const body = await content(view, place, file, fields);
  return view.html(
    place.path,
    'files',
    place.revision,
    html`${breadcrumbs(view.open, place.revision, place.path)}
      <section class="panel">
        <header>
          <span class="quiet"
            >${count(fields.sizeBytes, 'byte')}
            (${formatSize(fields.sizeBytes)})${file.kind === 'executable' ? ', executable' : ''}</span
          >
          <span>
            <a href="${revisionLink(view.name, 'raw', place.revision, place.path)}">Raw</a>
            <a href="${revisionLink(view.name, 'history', place.revision, place.path)}">History</a>
          </span>
        </header>
        ${body}
      </section>`,
  );
}

/**
 * The bytes of a file, such that they cannot act in our origin: text is always text/plain, only
 * images keep their type, everything is sandboxed and the rest is a download.
 */
export async function sendRaw(view: RepositoryView, address: string): Promise<Response> {
  const { agent } = view.open;
  const place = await resolvePlace(agent, address);
  const entry = await fileAt(view, place);
  const fields = await agent.blob(entry.oid);
  const headers = new Headers({
    etag: `"${entry.oid}"`,
    'cache-control': view.open.record.visibility === 'public' ? 'public, max-age=60' : 'private, max-age=60',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'x-content-type-options': 'nosniff',
  });
  if (view.context.req.header('if-none-match') === `"${entry.oid}"`)
    return new Response(null, { status: 304, headers });
  const image = imageType(place.path);
  headers.set(
    'content-type',
    image ?? (fields.binary ? 'application/octet-stream' : 'text/plain; charset=utf-8'),
  );
  headers.set('content-length', String(fields.sizeBytes));
  if (image === undefined && fields.binary) {
    headers.set('content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(entry.name)}`);
  }
  const body =
    view.context.req.method === 'HEAD' ? null : Readable.toWeb(Readable.from(agent.blobContent(entry.oid)));
  return new Response(body as ReadableStream | null, { headers });
}
