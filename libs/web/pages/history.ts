import { html } from 'hono/html';
import type { CommitFields } from '#git';
import { formatTime, shortOid } from '../format.ts';
import type { Markup } from '../layout.ts';
import { commitLink } from '../links.ts';
import { breadcrumbs } from '../repository-frame.ts';
import { resolvePlace } from '../revision.ts';
import type { RepositoryView } from '../view.ts';

function item(view: RepositoryView, commit: CommitFields): Markup {
  const address = commitLink(view.name, commit.oid);
  return html`<li>
    <a href="${address}"><strong>${commit.summary === '' ? '(no message)' : commit.summary}</strong></a
    ><br />
    <span class="quiet"
      >${commit.author.name}, ${formatTime(commit.author.timestampMs)}
      <a href="${address}" class="mono" aria-label="Commit ${shortOid(commit.oid)}"
        >${shortOid(commit.oid)}</a
      ></span
    >
  </li>`;
}

/** The commits behind a revision, or those that changed one path. */
export async function showHistory(view: RepositoryView, address: string): Promise<Response> {
  const { agent } = view.open;
  const place = await resolvePlace(agent, address);
  const skip = Math.max(0, Math.trunc(Number(view.context.req.query('skip')) || 0));
  const { pageItems } = view.application.settings;
  const { commits, hasMore } = await agent.history({
    from: place.commitOid,
    skip,
    limit: pageItems,
    ...(place.path !== '' && { path: place.path }),
  });
  const previous =
    skip > 0 ? html`<a href="?skip=${String(Math.max(0, skip - pageItems))}" rel="prev">Newer</a>` : '';
  const next = hasMore ? html`<a href="?skip=${String(skip + pageItems)}" rel="next">Older</a>` : '';
  return view.html(
    `History of ${place.path === '' ? place.revision : place.path}`,
    'history',
    place.revision,
    html`${place.path === '' ? html`<h2>History of ${place.revision}</h2>` : breadcrumbs(view.open, place.revision, place.path)}
      <section class="panel">
        <ul class="list">
          ${commits.map((commit) => item(view, commit))}
        </ul>
      </section>
      <nav class="pages" aria-label="Pages">${previous}${next}</nav>`,
  );
}
