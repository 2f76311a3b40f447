import { html } from 'hono/html';
import { PackhorseError } from '#base';
import type { CommitFields, Diff, DiffFile, DiffLine } from '#git';
import { count, formatTime, shortOid } from '../format.ts';
import type { Markup } from '../layout.ts';
import { commitLink, revisionLink } from '../links.ts';
import type { RepositoryView } from '../view.ts';

const signs: Readonly<Record<DiffLine['origin'], string>> = {
  context: ' ',
  added: '+',
  removed: '-',
  'no-newline': '\\',
};

function lineRow(line: DiffLine): Markup {
  const kind = line.origin === 'added' || line.origin === 'removed' ? line.origin : '';
  return html`<tr class="${kind}">
    <td class="number">${line.oldLine?.toString() ?? ''}</td>
    <td class="number">${line.newLine?.toString() ?? ''}</td>
    <td>${signs[line.origin]}${line.text}</td>
  </tr>`;
}

function fileTitle(file: DiffFile): string {
  return file.status === 'renamed' || file.status === 'copied'
    ? `${file.oldPath} → ${file.newPath}`
    : file.newPath;
}

function hunks(file: DiffFile): Markup {
  if (file.binary) return html`<p class="content quiet">Binary file.</p>`;
  if (file.hunks.length === 0)
    return html`<p class="content quiet">
      ${file.truncated ? 'Too large to be shown.' : 'No change in content.'}
    </p>`;
  return html`<div class="code" tabindex="0" role="region" aria-label="Changes of ${fileTitle(file)}">
      <table>
        <tbody>
          ${file.hunks.map(
            (hunk) =>
              html`<tr class="hunk">
                  <td colspan="3">${hunk.header}</td>
                </tr>
                ${hunk.lines.map(lineRow)}`,
          )}
        </tbody>
      </table>
    </div>
    ${file.truncated ? html`<p class="content quiet">The rest of this file's changes is left out.</p>` : ''}`;
}

function fileSection(view: RepositoryView, commit: CommitFields, file: DiffFile, index: number): Markup {
  const title = fileTitle(file);
  return html`<section class="panel" id="file-${String(index)}" aria-label="${title}">
    <header>
      <span class="mono"
        >${file.status === 'deleted' ? title : html`<a href="${revisionLink(view.name, 'blob', commit.oid, file.newPath)}">${title}</a>`}</span
      >
      <span class="counts"
        ><span class="tag">${file.status}</span> <span class="plus">+${String(file.addedLines)}</span>
        <span class="minus">−${String(file.removedLines)}</span></span
      >
    </header>
    ${hunks(file)}
  </section>`;
}

function person(commit: CommitFields): Markup {
  const { author, committer } = commit;
  const same = author.name === committer.name && author.email === committer.email;
  return html`<p>
    <strong>${author.name}</strong> &lt;${author.email}&gt;, ${formatTime(author.timestampMs)}
    ${same ? '' : html`<br /><span class="quiet">committed by ${committer.name} &lt;${committer.email}&gt;, ${formatTime(committer.timestampMs)}</span>`}
  </p>`;
}

function changes(view: RepositoryView, commit: CommitFields, diff: Diff): Markup {
  return html`<h2>
      ${count(diff.stats.files, 'file')} changed
      <span class="counts"
        ><span class="plus">+${String(diff.stats.addedLines)}</span>
        <span class="minus">−${String(diff.stats.removedLines)}</span></span
      >
    </h2>
    ${
      diff.files.length < 2
        ? ''
        : html`<ul class="mono">
            ${diff.files.map((file, index) => html`<li><a href="#file-${String(index)}">${fileTitle(file)}</a></li>`)}
          </ul>`
    }
    ${diff.files.map((file, index) => fileSection(view, commit, file, index))}
    ${diff.omittedFiles === 0 ? '' : html`<p class="notice">${count(diff.omittedFiles, 'more file')} changed; this page would become too large with them.</p>`}`;
}

/** One commit and what it changed against its first parent. */
export async function showCommit(view: RepositoryView, revision: string): Promise<Response> {
  const { agent } = view.open;
  const resolved = await agent.resolve(revision);
  if (resolved === undefined) throw new PackhorseError('not_found', 'There is no commit of that name.');
  const commit = await agent.commit(await agent.peel(resolved.oid, 'commit'));
  const parent = commit.parents[0];
  const diff = await agent.diff({ newOid: commit.oid, ...(parent !== undefined && { oldOid: parent }) });
  const parents = commit.parents.map(
    (oid) => html` <a class="mono" href="${commitLink(view.name, oid)}">${shortOid(oid)}</a>`,
  );
  return view.html(
    commit.summary,
    undefined,
    commit.oid,
    html`<h2>${commit.summary === '' ? '(no message)' : commit.summary}</h2>
      ${commit.body === '' ? '' : html`<pre>${commit.body}</pre>`} ${person(commit)}
      <p class="quiet">
        commit <span class="mono">${commit.oid}</span>
        ${parents.length === 0 ? '' : html`<br />${parents.length === 1 ? 'parent' : 'parents'}${parents}`}
        <br /><a href="${revisionLink(view.name, 'tree', commit.oid)}">Browse files at this commit</a>
      </p>
      ${changes(view, commit, diff)}`,
  );
}
