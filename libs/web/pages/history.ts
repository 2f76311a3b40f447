import { html } from 'hono/html';
import { PackhorseError } from '#base';
import type { CommitFields } from '#git';
import { commitList } from '../commit-list.ts';
import { offset } from '../format.ts';
import type { Markup } from '../layout.ts';
import { revisionLink } from '../links.ts';
import { placeBar } from '../place-bar.ts';
import type { LocatedPlace, RepositoryPage, RepositoryView } from '../view.ts';

/** Where a file's history goes on under the name that it had before its first commit here. */
async function earlierName(view: RepositoryView, path: string, oldest: CommitFields): Promise<Markup> {
  const parent = oldest.parents[0];
  if (parent === undefined) return html``;
  const diff = await view.agent.diff({ oldOid: parent, newOid: oldest.oid, contextLines: 0 });
  const renamed = diff.files.find((file) => file.newPath === path && file.status === 'renamed');
  if (renamed === undefined) return html``;
  return html`<p>
    Before that it was called
    <a class="mono" href="${revisionLink(view.name, 'history', parent, renamed.oldPath)}" rel="nofollow"
      >${renamed.oldPath}</a
    >.
  </p>`;
}

async function historyPage(view: RepositoryView, place: LocatedPlace): Promise<RepositoryPage> {
  const { agent } = view;
  const { revision, path } = place;
  const { pageItems } = view.application.settings;
  const skip = offset(view.context.req.query('skip'));
  const request = { from: revision.commitOid, skip, limit: pageItems, ...(path !== '' && { path }) };
  const [{ commits, hasMore }, entry] = await Promise.all([
    agent.history(request),
    agent.entry(revision.commitOid, path),
  ]);
  const oldest = commits.at(-1);
  if (entry === undefined && oldest === undefined && skip === 0) {
    throw new PackhorseError('not_found', 'Nothing was ever at this path.');
  }
  const newer = Math.max(0, skip - pageItems);
  const content = html`${placeBar(view.name, place, 'history')}
    <h2>History of ${path === '' ? revision.label : path}</h2>
    ${entry === undefined ? html`<p class="notice">There is nothing at this path any more.</p>` : ''}
    ${oldest === undefined ? html`<p class="quiet">There are no commits here.</p>` : commitList(view.name, commits, path)}
    ${path !== '' && oldest !== undefined && !hasMore ? await earlierName(view, path, oldest) : ''}
    <nav class="pages" aria-label="Pages">
      ${skip > 0 ? html`<a href="${newer === 0 ? view.context.req.path : `?skip=${newer}`}" rel="prev nofollow">Newer</a>` : ''}
      ${hasMore ? html`<a href="?skip=${String(skip + pageItems)}" rel="next nofollow">Older</a>` : ''}
    </nav>`;
  const title = `History of ${path === '' ? revision.label : path}`;
  return { title, tab: 'history', located: place, content };
}

/** The commits behind a revision, or those that changed one path. */
export async function showHistory(view: RepositoryView, address: string): Promise<Response> {
  const place = await view.locate(address);
  return view.unlessKnown([place.revision, place.choices], () => historyPage(view, place));
}
