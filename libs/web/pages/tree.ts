import { html } from 'hono/html';
import { collect } from '#base';
import type { CommitFields, TreeEntry } from '#git';
import { formatTime, shortOid } from '../format.ts';
import type { Markup } from '../layout.ts';
import { commitLink, repositoryLink, revisionLink } from '../links.ts';
import { breadcrumbs } from '../repository-frame.ts';
import { resolvePlace, type Place } from '../revision.ts';
import type { RepositoryView } from '../view.ts';

const readmeNames = ['readme.md', 'readme.markdown', 'readme', 'readme.txt', 'readme.rst', 'readme.adoc'];

const kindLabels: Readonly<Record<TreeEntry['kind'], string>> = {
  tree: 'Directory',
  file: 'File',
  executable: 'Executable file',
  symlink: 'Symbolic link',
  submodule: 'Submodule',
};

/** The page of a repository without a single commit: what to do next. */
function emptyRepository(view: RepositoryView): Markup {
  const { http, ssh } = view.application.addresses();
  const path = repositoryLink(view.name);
  return html`<h2>This repository is empty</h2>
    <p>Push something into it:</p>
    <pre>
git remote add origin ${http}${path}.git
git push -u origin HEAD:main</pre>
    <p>or over SSH: <code>${ssh}${path}.git</code></p>`;
}

function cloneAddresses(view: RepositoryView): Markup {
  const { http, ssh } = view.application.addresses();
  const path = repositoryLink(view.name);
  return html`<details class="panel">
    <summary class="content">Clone</summary>
    <div class="content clone">
      <label for="clone-http">HTTP</label
      ><input id="clone-http" class="mono" readonly value="${http}${path}.git" />
      <label for="clone-ssh">SSH</label
      ><input id="clone-ssh" class="mono" readonly value="${ssh}${path}.git" />
    </div>
  </details>`;
}

function entryRow(
  view: RepositoryView,
  place: Place,
  entry: TreeEntry,
  last: CommitFields | undefined,
): Markup {
  const address = revisionLink(
    view.name,
    entry.kind === 'tree' ? 'tree' : 'blob',
    place.revision,
    entry.path,
  );
  const name = entry.kind === 'tree' ? `${entry.name}/` : entry.name;
  return html`<tr>
    <td class="mono" title="${kindLabels[entry.kind]}">
      ${entry.kind === 'submodule' ? html`${name} @ ${shortOid(entry.oid)}` : html`<a href="${address}">${name}</a>`}
    </td>
    <td class="message">
      ${last === undefined ? '' : html`<a href="${commitLink(view.name, last.oid)}" class="quiet">${last.summary}</a>`}
    </td>
    <td class="when">${last === undefined ? '' : formatTime(last.committer.timestampMs)}</td>
  </tr>`;
}

function directoriesFirst(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  return [
    ...entries.filter((entry) => entry.kind === 'tree'),
    ...entries.filter((entry) => entry.kind !== 'tree'),
  ];
}

async function readme(view: RepositoryView, place: Place, entries: readonly TreeEntry[]): Promise<Markup> {
  const files = entries.filter((entry) => entry.kind === 'file' || entry.kind === 'executable');
  const found = readmeNames.flatMap((name) => files.filter((entry) => entry.name.toLowerCase() === name))[0];
  if (found === undefined) return html``;
  const { agent } = view.open;
  const fields = await agent.blob(found.oid);
  const { maxReadmeBytes } = view.application.settings;
  if (fields.binary || fields.sizeBytes > maxReadmeBytes) return html``;
  const text = (await collect(agent.blobContent(found.oid), maxReadmeBytes)).toString('utf8');
  const isMarkdown = /\.(md|markdown)$/i.test(found.name);
  const content = isMarkdown
    ? await view.application.renderer.markdown(text, {
        linkBase: revisionLink(view.name, 'blob', place.revision, place.path),
        imageBase: revisionLink(view.name, 'raw', place.revision, place.path),
      })
    : html`<pre>${text}</pre>`;
  return html`<section class="panel" aria-label="${found.name}">
    <header><strong>${found.name}</strong></header>
    <div class="content readme">${content}</div>
  </section>`;
}

function latestCommit(view: RepositoryView, place: Place, commit: CommitFields): Markup {
  return html`<header>
    <span
      ><strong>${commit.author.name}</strong>
      <a href="${commitLink(view.name, commit.oid)}">${commit.summary}</a></span
    >
    <span class="quiet">
      <a href="${commitLink(view.name, commit.oid)}" class="mono">${shortOid(commit.oid)}</a>
      ${formatTime(commit.committer.timestampMs)}
      <a href="${revisionLink(view.name, 'history', place.revision, place.path)}">History</a>
    </span>
  </header>`;
}

async function directory(view: RepositoryView, place: Place): Promise<Markup> {
  const { agent } = view.open;
  const { maxTreeEntries } = view.application.settings;
  const [commit, entries, lastCommits] = await Promise.all([
    agent.commit(place.commitOid),
    agent.tree(place.commitOid, place.path),
    agent.lastCommits(place.commitOid, place.path),
  ]);
  const offset = Math.max(0, Number(view.context.req.query('offset')) || 0);
  const shown = directoriesFirst(entries).slice(offset, offset + maxTreeEntries);
  const more = offset + shown.length < entries.length;
  return html`${place.path === '' ? '' : breadcrumbs(view.open, place.revision, place.path)}
    <section class="panel" aria-label="Files">
      ${latestCommit(view, place, commit)}
      <table class="files">
        <tbody>
          ${shown.map((entry) => entryRow(view, place, entry, lastCommits.get(entry.name)))}
        </tbody>
      </table>
    </section>
    ${more ? html`<nav class="pages" aria-label="Pages"><a href="?offset=${String(offset + shown.length)}">More files</a></nav>` : ''}
    ${await readme(view, place, entries)}`;
}

/** The front page of a repository: the root of its default branch. */
export async function showRepository(view: RepositoryView): Promise<Response> {
  const head = await view.open.agent.head();
  if (head.oid === undefined) return view.html('Empty', 'files', undefined, emptyRepository(view));
  const revision = head.symref?.replace('refs/heads/', '') ?? head.oid;
  const place = await resolvePlace(view.open.agent, revision);
  const content = await directory(view, place);
  return view.html('Files', 'files', revision, html`${cloneAddresses(view)}${content}`);
}

export async function showTree(view: RepositoryView, address: string): Promise<Response> {
  const place = await resolvePlace(view.open.agent, address);
  return view.html(
    place.path === '' ? place.revision : place.path,
    'files',
    place.revision,
    await directory(view, place),
  );
}
