import { html } from 'hono/html';
import type { CommitFields, TreeEntry } from '#git';
import { count, formatTime, offset, shortOid } from '../format.ts';
import type { Markup } from '../layout.ts';
import { commitLink, repositoryLink, revisionLink } from '../links.ts';
import { permalink, placeBar } from '../place-bar.ts';
import { branchPrefix } from '../refs.ts';
import type { LocatedPlace, RepositoryPage, RepositoryView } from '../view.ts';
import { readme } from './readme.ts';

/** The page of a repository without a single commit: what to do next. */
function emptyRepository(view: RepositoryView, branch: string): Markup {
  const { http, ssh } = view.application.addresses();
  const path = repositoryLink(view.name);
  return html`<h2>This repository is empty</h2>
    <p>Push something into it:</p>
    <pre tabindex="0">
git remote add origin ${http}${path}.git
git push -u origin HEAD:${branch}</pre>
    <p>or over SSH: <code>${ssh}${path}.git</code></p>`;
}

function cloneAddresses(view: RepositoryView): Markup {
  const { http, ssh } = view.application.addresses();
  const path = repositoryLink(view.name);
  return html`<details class="clone" name="menu">
    <summary>Clone</summary>
    <div class="popup">
      <label for="clone-http">HTTP</label
      ><input id="clone-http" class="mono" readonly value="${http}${path}.git" />
      <label for="clone-ssh">SSH</label
      ><input id="clone-ssh" class="mono" readonly value="${ssh}${path}.git" />
    </div>
  </details>`;
}

const kindTags: Readonly<Partial<Record<TreeEntry['kind'], string>>> = {
  symlink: 'symbolic link',
  submodule: 'submodule',
};

function entryRow(
  view: RepositoryView,
  place: LocatedPlace,
  entry: TreeEntry,
  last: CommitFields | undefined,
): Markup {
  const page = entry.kind === 'tree' ? 'tree' : 'blob';
  const address = revisionLink(view.name, page, place.revision.address, entry.path);
  const name = entry.kind === 'tree' ? `${entry.name}/` : entry.name;
  const tag = kindTags[entry.kind];
  return html`<tr>
    <td class="name">
      <a href="${address}">${name}</a>${tag === undefined ? '' : html` <span class="tag">${tag}</span>`}
    </td>
    <td class="message">
      ${last === undefined ? '' : html`<a href="${commitLink(view.name, last.oid)}">${last.summary}</a>`}
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

function latestCommit(view: RepositoryView, place: LocatedPlace, commit: CommitFields): Markup {
  const { revision, path } = place;
  return html`<header>
    <span class="grow"
      ><strong>${commit.author.name}</strong>
      <a href="${commitLink(view.name, commit.oid)}"
        >${commit.summary === '' ? '(no message)' : commit.summary}</a
      ></span
    >
    <span class="quiet">
      <a href="${commitLink(view.name, commit.oid)}" class="mono">${shortOid(commit.oid)}</a>
      ${formatTime(commit.committer.timestampMs)}
    </span>
    <a href="${revisionLink(view.name, 'history', revision.address, path)}">History</a>
    ${permalink(view.name, place, 'tree')}
  </header>`;
}

/** A directory of ten thousand files is shown piece by piece. */
function pageLinks(view: RepositoryView, total: number, from: number, shown: number): Markup {
  if (shown === total) return html``;
  const { maxTreeEntries } = view.application.settings;
  const previous = Math.max(0, from - maxTreeEntries);
  return html`<nav class="pages" aria-label="Pages">
    <span class="quiet"
      >${(from + 1).toLocaleString('en')} to ${(from + shown).toLocaleString('en')} of
      ${count(total, 'entry').replace(/entrys$/, 'entries')}</span
    >
    ${from > 0 ? html`<a href="${previous === 0 ? view.context.req.path : `?offset=${previous}`}" rel="prev">Previous</a>` : ''}
    ${from + shown < total ? html`<a href="?offset=${String(from + shown)}" rel="next">Next</a>` : ''}
  </nav>`;
}

async function directory(view: RepositoryView, place: LocatedPlace, title: string): Promise<RepositoryPage> {
  const { agent } = view;
  const { commitOid } = place.revision;
  const [commit, entries] = await Promise.all([agent.commit(commitOid), agent.tree(commitOid, place.path)]);
  const lastCommits = await agent.lastCommits(commitOid, place.path);
  const from = Math.min(offset(view.context.req.query('offset')), Math.max(0, entries.length - 1));
  const shown = directoriesFirst(entries).slice(from, from + view.application.settings.maxTreeEntries);
  const links = pageLinks(view, entries.length, from, shown.length);
  const heading = place.path === '' ? 'Files' : `Files in ${place.path}`;
  const content = html`${placeBar(view.name, place, 'tree', cloneAddresses(view))}
    <section class="panel" aria-labelledby="files">
      <h2 id="files" class="hidden">${heading}</h2>
      ${latestCommit(view, place, commit)}
      ${entries.length === 0 ? html`<p class="content quiet">This directory is empty.</p>` : ''}
      <table class="files">
        <thead class="hidden">
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Last change</th>
            <th scope="col">Date</th>
          </tr>
        </thead>
        <tbody>
          ${shown.map((entry) => entryRow(view, place, entry, lastCommits.get(entry.name)))}
        </tbody>
      </table>
    </section>
    ${links} ${from === 0 ? await readme(view, place, entries) : ''}`;
  const lasting = shown.every((entry) => lastCommits.has(entry.name));
  return { title, tab: 'files', located: place, content, lasting };
}

function knownBy(place: LocatedPlace): readonly unknown[] {
  return [place.revision, place.choices];
}

/** The front page of a repository: the root of its default branch. */
export async function showRepository(view: RepositoryView): Promise<Response> {
  const head = await view.agent.head();
  if (head.oid === undefined) {
    const branch = head.symref?.replace(branchPrefix, '') ?? 'main';
    return view.html({ title: 'Empty', tab: 'files', content: emptyRepository(view, branch) });
  }
  const place = await view.locate(head.symref ?? head.oid);
  const address = place.choices.defaultBranch?.address ?? place.revision.address;
  const shown = { ...place, revision: { ...place.revision, address } };
  return view.unlessKnown(knownBy(shown), () => directory(view, shown, 'Files'));
}

export async function showTree(view: RepositoryView, address: string): Promise<Response> {
  const place = await view.locate(address);
  const entry = await view.agent.entry(place.revision.commitOid, place.path);
  if (entry !== undefined && entry.kind !== 'tree') {
    return view.context.redirect(revisionLink(view.name, 'blob', place.revision.address, place.path), 302);
  }
  const title = place.path === '' ? place.revision.label : place.path;
  return view.unlessKnown(knownBy(place), () => directory(view, place, title));
}
