import { setImmediate as nextTurn } from 'node:timers/promises';
import { html, raw } from 'hono/html';
import type { Oid } from '#base';
import type { Diff, DiffFile } from '#git';
import { count } from '../format.ts';
import type { Markup } from '../layout.ts';
import { revisionLink } from '../links.ts';
import { diffRows } from '../render/diff-rows.ts';
import type { RepositoryView } from '../view.ts';

/** Lines that are made into markup in one go: the event loop gets its turn in between. */
const sliceLines = 2_000;

function fileTitle(file: DiffFile): string {
  return file.status === 'renamed' || file.status === 'copied'
    ? `${file.oldPath} → ${file.newPath}`
    : file.newPath;
}

function modeChange(file: DiffFile): string | undefined {
  const isChange = file.status !== 'added' && file.status !== 'deleted' && file.oldMode !== file.newMode;
  return isChange ? `mode ${file.oldMode.toString(8)} → ${file.newMode.toString(8)}` : undefined;
}

function counts({
  addedLines,
  removedLines,
}: {
  readonly addedLines: number;
  readonly removedLines: number;
}): Markup {
  return html`<span class="counts"
    ><span class="plus">+${addedLines.toLocaleString('en')}</span>
    <span class="minus">−${removedLines.toLocaleString('en')}</span></span
  >`;
}

function hunks(file: DiffFile): Markup {
  const note = (text: string): Markup => html`<p class="content quiet">${text}</p>`;
  if (file.binary) return note('This is a binary file.');
  if (file.hunks.length === 0)
    return note(file.truncated ? 'This change is too large to be shown.' : 'The content is the same.');
  return html`<div class="code" tabindex="0" role="region" aria-label="Changes of ${fileTitle(file)}">
      <table>
        <thead class="hidden">
          <tr>
            <th scope="col">Old line</th>
            <th scope="col">New line</th>
            <th scope="col">Change</th>
          </tr>
        </thead>
        <tbody>
          ${raw(diffRows(file))}
        </tbody>
      </table>
    </div>
    ${file.truncated ? note("The rest of this file's changes is left out.") : ''}`;
}

function fileSection(view: RepositoryView, newOid: Oid, file: DiffFile, index: number): Markup {
  const title = fileTitle(file);
  const mode = modeChange(file);
  return html`<section class="panel" aria-labelledby="file-${String(index)}">
    <header>
      <h3 id="file-${String(index)}" class="mono grow">
        ${file.status === 'deleted' ? title : html`<a href="${revisionLink(view.name, 'blob', newOid, file.newPath)}" rel="nofollow">${title}</a>`}
      </h3>
      ${mode === undefined ? '' : html`<span class="tag">${mode}</span>`}
      <span class="tag">${file.status}</span> ${counts(file)}
    </header>
    ${hunks(file)}
  </section>`;
}

async function sections(
  view: RepositoryView,
  newOid: Oid,
  files: readonly DiffFile[],
): Promise<readonly Markup[]> {
  const made: Markup[] = [];
  let lines = 0;
  for (const [index, file] of files.entries()) {
    made.push(await fileSection(view, newOid, file, index));
    lines += file.hunks.reduce((sum, hunk) => sum + hunk.lines.length, 20);
    if (lines < sliceLines) continue;
    lines = 0;
    await nextTurn();
  }
  return made;
}

function fileList(files: readonly DiffFile[]): Markup {
  if (files.length < 2) return html``;
  const items = files.map(
    (file, index) => html`<li><a href="#file-${String(index)}">${fileTitle(file)}</a> ${counts(file)}</li>`,
  );
  return html`<details class="changed" ${files.length <= 50 ? html`open` : ''}>
    <summary>Changed files</summary>
    <ul class="mono">
      ${items}
    </ul>
  </details>`;
}

/** What changed up to `newOid`, file by file. */
export async function changes(view: RepositoryView, newOid: Oid, diff: Diff): Promise<Markup> {
  const omitted =
    diff.omittedFiles === 0
      ? ''
      : html`<p class="notice">
          ${count(diff.omittedFiles, 'more file')} changed; this page would become too large with them.
        </p>`;
  return html`<h2>${count(diff.stats.files, 'file')} changed ${counts(diff.stats)}</h2>
    ${fileList(diff.files)} ${omitted} ${await sections(view, newOid, diff.files)}`;
}
